// Drives Chromium for the tests of the status page, which send one JSON object a line:
// {"do": VERB, ...}. Each is answered by a line, {"value": ...} or {"error": "..."}.
// Nothing is downloaded, and no name but those of this machine is resolved.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const patience = 90_000; // for what a busy machine may take long to do; the page itself waits up to 30 s
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  timeout: 2 * patience,
  chromiumSandbox: false, // CI runs as root
  args: ["--host-resolver-rules=MAP evil.example 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"],
});
const requested = new Set();
let page;

const verbs = {
  // open shows url in a window of its own, with a theme and a width, with or without
  // JavaScript; forAxe lets in a script that the page's policy does not.
  async open({ url, width = 1600, height = 1000, theme = "light", script = true, forAxe = false }) {
    await page?.context().close();
    const context = await browser.newContext({ viewport: { width, height }, colorScheme: theme, javaScriptEnabled: script, bypassCSP: forAxe });
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    context.on("request", (request) => requested.add(request.url()));
    page = await context.newPage();
    page.setDefaultTimeout(patience);
    const answer = await page.goto(url);
    return answer.status();
  },
  // wait waits until the first element of a selector is seen, and returns its text.
  async wait({ selector }) {
    await page.locator(selector).first().waitFor({ state: "visible" });
    return page.locator(selector).first().innerText();
  },
  async gone({ selector }) { await page.locator(selector).first().waitFor({ state: "detached" }); },
  async count({ selector }) { return page.locator(selector).count(); },
  async click({ selector }) { await page.locator(selector).first().click(); },
  // follow clicks on what leads to another page, or this one anew, and waits for that.
  async follow({ selector }) {
    await Promise.all([page.waitForNavigation(), page.locator(selector).first().click()]);
  },
  async eval({ code }) { return page.evaluate(code); },
  async content() { return page.content(); },
  // until waits until an expression is true in the page. Playwright's own way takes an
  // eval inside the page, which its policy forbids.
  async until({ code }) {
    for (const end = Date.now() + patience; !(await page.evaluate(code)); await page.waitForTimeout(100)) {
      if (Date.now() > end) throw new Error("not so in time");
    }
  },
  async press({ key }) { await page.keyboard.press(key); },
  // tab presses Tab until the element of selector has the focus, as who has no mouse does.
  async tab({ selector }) {
    for (let pressed = 0; pressed < 200; pressed++) {
      await page.keyboard.press("Tab");
      if (await page.evaluate((s) => document.activeElement.matches(s), selector)) return pressed + 1;
    }
    throw new Error(`Tab does not reach ${selector}`);
  },
  // axe returns what axe-core finds that is serious or critical, in a window that was
  // opened for axe.
  async axe() {
    await page.addScriptTag({ path: axe });
    const { violations, passes } = await page.evaluate("axe.run(document)");
    if (passes.length < 10) throw new Error(`axe looked at ${passes.length} rules only`);
    return violations.filter((v) => v.impact === "serious" || v.impact === "critical")
      .map((v) => `${v.id}: ${v.help}: ${v.nodes.map((n) => n.target.join(" ")).slice(0, 5).join(", ")}`);
  },
  async shot({ file, height }) {
    const { width } = page.viewportSize();
    await page.screenshot({ path: file, ...(height ? { clip: { x: 0, y: 0, width, height }, fullPage: true } : { fullPage: true }) });
  },
  async requested() { return [...requested]; },
};

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    const { do: verb, ...arguments_ } = JSON.parse(line);
    answer = { value: await verbs[verb](arguments_) ?? null };
  } catch (error) {
    answer = { error: String(error.message ?? error) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
await browser.close();
