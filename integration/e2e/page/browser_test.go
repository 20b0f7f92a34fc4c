package page

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/rig"
)

// browser is a Chromium that browser.mjs drives.
type browser struct {
	t    *testing.T
	in   io.Writer
	out  *bufio.Scanner
	errs *rig.LockedBuffer
}

// args of a verb of browser.mjs.
type args map[string]any

// startBrowser starts one that the test's end closes.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	chromium := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome-stable", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			chromium = path
			break
		}
	}
	if chromium == "" {
		t.Fatal("there is no Chromium: run scripts/install-deps")
	}
	dir := driver(t)
	cmd := exec.Command("node", "browser.mjs")
	cmd.Dir = dir
	home := t.TempDir()
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + home, "TZ=UTC", "CHROMIUM=" + chromium}
	b := &browser{t: t, errs: new(rig.LockedBuffer)}
	cmd.Stderr = b.errs
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	b.in, b.out = stdin, bufio.NewScanner(stdout)
	b.out.Buffer(nil, 16<<20)
	t.Cleanup(func() {
		stdin.Close() // which ends the driver, and its browser
		if err := cmd.Wait(); err != nil {
			t.Errorf("the browser's driver: %v\n%s", err, b.errs)
		}
	})
	return b
}

// of is the same browser for a part of the test.
func (b *browser) of(t *testing.T) *browser {
	part := *b
	part.t = t
	return &part
}

// driver is the directory of browser.mjs with what it needs from npm, in a cache.
func driver(t *testing.T) string {
	t.Helper()
	sum := sha256.New()
	files := []string{"browser.mjs", ".npmrc", "package.json", "package-lock.json"}
	for _, name := range files {
		content, err := os.ReadFile(filepath.Join("browser", name))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(sum, "%s %d\n%s", name, len(content), content)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "pgkeyless-browser", hex.EncodeToString(sum.Sum(nil))[:16])
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	made, err := os.MkdirTemp(filepath.Dir(dir), "making-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(made)
	if err := os.CopyFS(made, os.DirFS("browser")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	npm := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
	npm.Dir = made
	if out, err := npm.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v: run scripts/install-deps, which says what is missing or too old\n%s", err, out)
	}
	if err := os.Rename(made, dir); err != nil && !errors.Is(err, os.ErrExist) {
		if _, there := os.Stat(dir); there != nil { // another test binary's, made meanwhile
			t.Fatal(err)
		}
	}
	return dir
}

// try has browser.mjs do something, and returns what that says.
func (b *browser) try(verb string, a args) (any, error) {
	b.t.Helper()
	request := map[string]any{"do": verb}
	for name, value := range a {
		request[name] = value
	}
	line, err := json.Marshal(request)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.in.Write(append(line, '\n')); err != nil {
		b.t.Fatalf("the browser's driver: %v\n%s", err, b.errs)
	}
	if !b.out.Scan() {
		b.t.Fatalf("the browser's driver has ended: %v\n%s", b.out.Err(), b.errs)
	}
	var answer struct {
		Value any
		Error string
	}
	if err := json.Unmarshal(b.out.Bytes(), &answer); err != nil {
		b.t.Fatalf("the browser's driver says %q", b.out.Text())
	}
	if answer.Error != "" {
		return nil, errors.New(answer.Error)
	}
	return answer.Value, nil
}

// do is try for what must work. When it does not, the test ends with what the page
// shows.
func (b *browser) do(verb string, a args) any {
	b.t.Helper()
	value, err := b.try(verb, a)
	if err != nil {
		shown, _ := b.try("eval", args{"code": "document.body.innerText"})
		b.t.Fatalf("%s %v: %v\nthe page shows:\n%v", verb, a, err, shown)
	}
	return value
}

// wait waits until an element is seen, and returns its text.
func (b *browser) wait(selector string) string {
	b.t.Helper()
	return b.do("wait", args{"selector": selector}).(string)
}

func (b *browser) count(selector string) int {
	b.t.Helper()
	return int(b.do("count", args{"selector": selector}).(float64))
}

func (b *browser) eval(code string) any {
	b.t.Helper()
	return b.do("eval", args{"code": code})
}

// until waits until an expression is true in the page.
func (b *browser) until(code string) {
	b.t.Helper()
	b.do("until", args{"code": code})
}

func (b *browser) click(selector string) {
	b.t.Helper()
	b.do("click", args{"selector": selector})
}

// follow clicks on what leads to another page, or this one anew, and waits for that.
func (b *browser) follow(selector string) {
	b.t.Helper()
	b.do("follow", args{"selector": selector})
}

// listen notes what the page says to who cannot see it, and what its buttons to copy show:
// both last for a moment.
func (b *browser) listen() {
	b.t.Helper()
	b.eval(`(() => {
		const place = document.getElementById("say"), heard = window.heard = [];
		new MutationObserver(() => heard.push(place.textContent)).observe(place, {childList: true, characterData: true, subtree: true});
		new MutationObserver((all) => {
			for (const one of all) if (one.target.closest?.(".copier")) heard.push("shown: " + one.target.closest(".copier").textContent);
		}).observe(document.getElementById("live"), {childList: true, subtree: true});
	})()`)
}

// hear waits until the page has said something since listen.
func (b *browser) hear(text string) {
	b.t.Helper()
	b.until(fmt.Sprintf("window.heard.some((said) => said.includes(%q))", text))
}

func (b *browser) press(key string) {
	b.t.Helper()
	b.do("press", args{"key": key})
}

// shot takes a picture of the page's first pixels, or of all when height is 0.
func (b *browser) shot(file string, height int) {
	b.t.Helper()
	file, err := filepath.Abs(file) // the driver runs elsewhere
	if err != nil {
		b.t.Fatal(err)
	}
	b.do("shot", args{"file": file, "height": height})
}

// open shows url in a new window, and returns the answer's status code.
func (b *browser) open(url string, more args) int {
	b.t.Helper()
	a := args{"url": url}
	for name, value := range more {
		a[name] = value
	}
	return int(b.do("open", a).(float64))
}

// list are the strings of a list that browser.mjs returns.
func list(of any) []string {
	var all []string
	for _, one := range of.([]any) {
		all = append(all, one.(string))
	}
	return all
}
