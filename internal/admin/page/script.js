"use strict";
// Asks for the part of the page that changes, and puts it in place of the old one
// node by node: what stays the same stays, with its focus, selection and open details.
(() => {
  const every = 2000, patience = 10000, longest = 30000;
  const $ = (id) => document.getElementById(id);
  const live = () => $("live");
  let timer = 0, wait = every, paused = false, gone = false, asking = null;

  document.documentElement.classList.add("js");
  $("refresh").hidden = true;
  $("pulse").hidden = $("pause").hidden = false;

  const say = (text) => { $("say").textContent = text; };
  const pulse = () => {
    $("pulse").textContent = paused ? "Paused" : gone ? "No answer" : "Live";
    $("pulse").classList.toggle("off", paused || gone);
    $("pause").textContent = paused ? "Resume" : "Pause";
  };

  // keyOf finds the node's counterpart in the new page.
  const keyOf = (node) => node.nodeType === 1 ? node.dataset?.key || node.id || "" : "";
  const alike = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && keyOf(a) === keyOf(b);

  const morph = (old, fresh) => {
    if (old.nodeType !== 1) {
      if (old.nodeValue === fresh.nodeValue) return;
      const selection = getSelection();
      if (selection.isCollapsed || !selection.containsNode(old, true)) old.nodeValue = fresh.nodeValue;
      return;
    }
    if (old.dataset?.busy) return;
    for (const { name } of [...old.attributes]) {
      if (!fresh.hasAttribute(name) && !(name === "open" && old.nodeName === "DETAILS")) old.removeAttribute(name);
    }
    for (const { name, value } of [...fresh.attributes]) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    const wanted = new Set([...fresh.childNodes].map(keyOf)), keyed = new Map();
    for (const child of [...old.childNodes]) {
      const key = keyOf(child);
      if (key && !wanted.has(key)) child.remove(); // so that the others need not move, which takes the focus from them
      else if (key) keyed.set(key, child);
    }
    let at = old.firstChild;
    for (const child of [...fresh.childNodes]) {
      const key = keyOf(child), known = key ? keyed.get(key) : null;
      if (known && alike(known, child)) {
        keyed.delete(key);
        while (at && at !== known && !(keyOf(at) && keyed.has(keyOf(at)))) { const next = at.nextSibling; at.remove(); at = next; }
        if (at === known) at = at.nextSibling;
        else old.insertBefore(known, at);
        morph(known, child);
      } else if (!key && at && alike(at, child)) {
        const next = at.nextSibling;
        morph(at, child);
        at = next;
      } else {
        old.insertBefore(child, at);
      }
    }
    while (at) { const next = at.nextSibling; at.remove(); at = next; }
  };

  const states = () => new Map([...document.querySelectorAll("[data-state]")].map((e) => [e.dataset.name, e.dataset.state]));

  const show = (html) => {
    const fresh = new DOMParser().parseFromString(html, "text/html").getElementById("live");
    if (!fresh) throw new Error("not the status page");
    const before = states(), lostFocus = document.activeElement !== document.body;
    morph(live(), fresh);
    document.title = live().dataset.title;
    if (lostFocus && document.activeElement === document.body) $("clients").focus({ preventScroll: true });
    const changes = [];
    for (const [name, state] of states()) if (before.get(name) !== state) changes.push(`${name} is ${state}`);
    if (changes.length) say(changes.join(", "));
  };

  const lost = (why) => {
    wait = Math.min(wait * 1.6, longest);
    $("gone").textContent = why + " What you see is of before. Trying again.";
    $("gone").hidden = false;
    if (!gone) say(why);
    gone = true;
  };

  const later = () => {
    clearTimeout(timer);
    if (!paused && !document.hidden) timer = setTimeout(refresh, wait);
  };

  async function refresh() {
    clearTimeout(timer);
    if (asking) return asking;
    asking = (async () => {
      const url = new URL(location.href);
      for (const once of ["ended", "missed"]) url.searchParams.delete(once);
      url.searchParams.set("part", "1");
      try {
        const answer = await fetch(url, { signal: AbortSignal.timeout(patience), cache: "no-store" });
        if (!answer.ok) throw new Error("refused");
        show(await answer.text());
        if (gone) say("pgkeyless answers again");
        gone = false;
        wait = every;
        $("gone").hidden = true;
      } catch (error) {
        lost(error.message === "refused" ? "pgkeyless refuses to show this page." : "pgkeyless does not answer: it may have ended.");
      }
      pulse();
    })();
    await asking;
    asking = null;
    later();
  }

  $("pause").addEventListener("click", () => {
    paused = !paused;
    pulse();
    if (paused) clearTimeout(timer); else refresh();
  });
  document.addEventListener("visibilitychange", () => { if (document.hidden) clearTimeout(timer); else if (!paused) refresh(); });

  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.(".copier");
    if (!button || button.dataset.busy) return;
    const code = button.parentElement.querySelector("code");
    button.dataset.busy = "yes";
    const label = [...button.childNodes];
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
      say(`${button.dataset.what} copied`);
    } catch {
      getSelection().selectAllChildren(code);
      button.textContent = "Selected";
      say(`${button.dataset.what} selected: copy it by keyboard`);
    }
    setTimeout(() => { button.replaceChildren(...label); delete button.dataset.busy; }, 1500);
  });

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (form.getAttribute("action") !== "/disconnect") return;
    event.preventDefault();
    let said = `Session ${form.elements.id.value} disconnected`;
    try {
      const answer = await fetch("/disconnect", {
        method: "POST", body: new URLSearchParams(new FormData(form)), headers: { Accept: "application/json" }, signal: AbortSignal.timeout(patience),
      });
      if (!answer.ok) {
        const { error, hint } = await answer.json();
        said = error + (hint ? ": " + hint : "");
      }
    } catch {
      said = "pgkeyless does not answer";
    }
    form.closest("details").open = false;
    await refresh();
    say(said);
  });

  pulse();
  later();
})();
