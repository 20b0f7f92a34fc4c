package page

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

var (
	update = flag.Bool("update", false, "write the README's pictures of the page")
	keep   = flag.String("pictures", "", "keep pictures of the page in this `directory`")
)

// images is where the README's pictures are.
const images = "../../../docs/images"

// world is a run with a page, and its user: two targets, of which one wants a login
// that has expired.
type world struct {
	*rig.World
	t     *testing.T
	page  string // URL without the token
	link  string // and with it
	token string
}

func start(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	profiles := filepath.Join(dir, "config")
	write(t, profiles, fmt.Sprintf("[profile work]\naws_access_key_id = %s\naws_secret_access_key = %s\naws_session_token = %s\n"+
		"[profile billing]\nsso_session = corp\nsso_account_id = %s\nsso_role_name = developer\n"+
		"[sso-session corp]\nsso_start_url = %s\nsso_region = %s\nsso_registration_scopes = sso:account:access\n",
		rig.Shared.Keys.AccessKeyID, rig.Shared.Keys.SecretAccessKey, rig.Shared.Keys.SessionToken, lab.Account, "https://corp.awsapps.com/start", lab.Region))
	targets := filepath.Join(dir, "pgkeyless.yaml")
	write(t, targets, fmt.Sprintf(`targets:
  orders:
    database: %s
    via: %s
    ca-file: %s
    profile: work
    user: %s
    dbname: %s
    statement-timeout: 10m
  billing:
    database: billing.%s
    via: %s
    ca-file: %[3]s
    profile: billing
    user: %[4]s
    dbname: %[5]s
`, lab.Host, lab.Target, rig.Shared.Database.CAFile(), pgserver.AppUser, pgserver.Database, rig.Domain, rig.OtherHost))
	w := &world{t: t, World: rig.Start(t, rig.Setup{
		Args:     []string{"--config-file", targets},
		Flags:    []string{"--status-page", "--http-port", "0"},
		Emulator: func(c *awsemu.Config) { c.Pace = 0 }, // as slow as the genuine agent
		Env: func(env []string) []string {
			env = rig.Without("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CONFIG_FILE")(env)
			return append(env, "AWS_CONFIG_FILE="+profiles, "TZ=UTC")
		},
	})}
	stdout, stderr, code := rig.Run(t, []string{"HOME=" + w.Home}, "status", "--json")
	var all []struct{ Proxy struct{ Page string } }
	if err := json.Unmarshal([]byte(stdout), &all); code != 0 || err != nil || len(all) != 1 {
		t.Fatalf("status ends with %d: %s%s", code, stdout, stderr)
	}
	w.link = all[0].Proxy.Page
	w.page, w.token, _ = strings.Cut(w.link, "?token=")
	if w.token == "" {
		t.Fatalf("status says that the page is at %q, want a token in it", w.link)
	}
	return w
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// address is where a target is served.
func (w *world) address(target int) string { return w.Proxy.Addresses()[target] }

// client is a running psql.
type client struct {
	t    *testing.T
	cmd  *exec.Cmd
	in   io.WriteCloser
	errs bytes.Buffer
}

// psql starts one that runs sql, and then waits for more.
func (w *world) psql(name, sql string) *client {
	w.t.Helper()
	c := &client{t: w.t, cmd: rig.PsqlCommand(w.t.Context(), w.Conninfo("application_name="+name), "-v", "VERBOSITY=verbose")}
	c.cmd.Stderr = &c.errs
	c.cmd.Stdout = io.Discard
	var err error
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		w.t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	if _, err := io.WriteString(c.in, sql+";\n"); err != nil {
		w.t.Fatal(err)
	}
	return c
}

// mustBeEnded wants psql to have been told that it was disconnected.
func (c *client) mustBeEnded() {
	c.t.Helper()
	io.WriteString(c.in, "select 1;\n") // who is idle notices at the next statement
	c.in.Close()
	err := c.cmd.Wait()
	if err == nil || !strings.Contains(c.errs.String(), "FATAL:  57P01: ") {
		c.t.Errorf("psql: %v, %q; want FATAL 57P01", err, c.errs.String())
	}
}

// download is a query that takes minutes, at the agent's pace.
const download = `\copy (select repeat('` + rig.SQLMarker + `', 60) from generate_series(1, 500000)) to '/dev/null'`

func row(name string) string { return `#live tr:has-text("` + name + `")` }

func TestPage(t *testing.T) {
	w, b := start(t), startBrowser(t)
	if code := b.open(w.link, nil); code != 200 {
		t.Fatalf("the page is %d", code)
	}
	b.wait(`h1:has-text("Ready, no clients connected")`)
	b.eval("window.sameWindow = true")
	b.listen()

	// A login appears as it happens.
	reader := w.psql("as_it_happens", "select 1")
	b.wait(row("as_it_happens"))
	b.wait(`.card[data-name="orders"] .pill.up`)
	b.hear("orders is up")

	// What somebody does in the page lasts.
	b.click(`.card[data-name="orders"] details summary`)
	b.until(`document.querySelector('.card[data-name="orders"] details').open`)
	b.eval(`getSelection().selectAllChildren(document.querySelector('.card[data-name="orders"] pre code'))`)
	before := b.eval(`document.querySelector(".foot time").dateTime`).(string)
	b.until(fmt.Sprintf("document.querySelector('.foot time').dateTime > %q", before))
	if kept := b.eval(`document.querySelector('.card[data-name="orders"] details').open && document.activeElement.matches("summary") && getSelection().toString()`); kept != "psql -h 127.0.0.1 -p "+port(w.address(0))+" -U app_user app" {
		t.Errorf("after a refresh open details, focus and selection are %v", kept)
	}
	if b.eval("window.sameWindow") != true {
		t.Error("the page was loaded anew")
	}

	// What is wrong comes first, with what fixes it.
	_, billing, _ := strings.Cut(w.address(1), ":")
	_, stderr, err := rig.Psql(t, "host=127.0.0.1 port="+billing+" user=app_user dbname=app sslmode=disable", "-c", "select 1")
	if err == nil || !strings.Contains(stderr, "aws sso login --profile billing") {
		t.Errorf("a login to billing: %v, %s", err, stderr)
	}
	problem := b.wait(".problem.bad")
	for _, text := range []string{"Logins to billing fail", "Detail", "Hint", "aws sso login --profile billing", "sso-expired"} {
		if !strings.Contains(problem, text) {
			t.Errorf("the problem is shown as %q, want %q in it", problem, text)
		}
	}
	b.hear("billing is failing")
	if got := b.wait(".problem.bad pre"); got != "aws sso login --profile billing" {
		t.Errorf("to copy: %q", got)
	}
	b.click(".problem.bad .copier")
	b.hear("shown: Copied")
	if got := b.eval("navigator.clipboard.readText()"); got != "aws sso login --profile billing" {
		t.Errorf("copied: %q", got)
	}
	first := b.eval(`document.querySelector("#live > section").className`)
	if first != "problems" || b.eval("document.title") != "1 of 2 targets failing · pgkeyless" {
		t.Errorf("first comes %q, under the title %q", first, b.eval("document.title"))
	}

	// An SSM session shows its rate.
	bulk := w.psql("nightly_export", download)
	b.wait(row("nightly_export"))
	b.until(`[...document.querySelectorAll(".ssm-rate .num")].some((e) => /^[1-9][0-9]{2} kB\/s|^[01]\.[0-9] MB\/s/.test(e.textContent))`)
	b.until(`document.querySelector('.card[data-name="orders"] .chart .edge') !== null`)
	if !regexp.MustCompile(`at most 0\.9 MB/s`).MatchString(b.wait("#tunnels + * caption")) {
		t.Error("the agent's ceiling is not said")
	}

	// Who reads can make it stand still.
	b.click("#pause")
	b.wait(`#pulse:has-text("Paused")`)
	b.click("#pause")
	b.wait(`#pulse:has-text("Live")`)

	t.Run("Accessible", func(t *testing.T) { accessible(t, w, b.of(t)) })
	t.Run("Secrets", func(t *testing.T) { secrets(t, w, b.of(t)) })
	t.Run("Refusals", func(t *testing.T) { refusals(t, w, b.of(t)) })
	t.Run("Disconnect", func(t *testing.T) { disconnect(t, w, b.of(t), bulk) })
	t.Run("WithoutScript", func(t *testing.T) { withoutScript(t, w, b.of(t), reader) })
	t.Run("Loopback", func(t *testing.T) { stayedHere(t, b.of(t)) })
	t.Run("Gone", func(t *testing.T) { goneAway(t, w, b.of(t)) })
}

func port(address string) string { return address[strings.LastIndex(address, ":")+1:] }

// accessible wants nothing serious from axe, in both themes and at two widths, and
// takes pictures.
func accessible(t *testing.T, w *world, b *browser) {
	pictures := cmp.Or(*keep, t.TempDir())
	for _, theme := range []string{"light", "dark"} {
		for _, width := range []int{360, 1600} {
			b.open(w.link, args{"width": width, "theme": theme, "forAxe": true})
			b.wait(row("nightly_export"))
			for _, found := range list(b.do("axe", nil)) {
				t.Errorf("%s, %d pixels: %s", theme, width, found)
			}
			if over := b.eval("document.documentElement.scrollWidth - innerWidth"); over != 0.0 {
				t.Errorf("%s, %d pixels: the page is %v pixels wider", theme, width, over)
			}
			b.shot(filepath.Join(pictures, fmt.Sprintf("%s-%d.png", theme, width)), 0)
		}
	}
	if *update {
		draw(t, b)
	}
	for _, name := range []string{"light-360", "light-1600", "dark-360", "dark-1600"} {
		if picture, err := os.ReadFile(filepath.Join(pictures, name+".png")); err != nil || len(picture) < 10_000 {
			t.Errorf("picture %s: %d bytes, %v", name, len(picture), err)
		}
	}
}

// draw makes the README's pictures, of the page that the unit tests of its package
// draw: the times, ports and paths of this run are nobody's.
func draw(t *testing.T, b *browser) {
	dir := t.TempDir()
	sample := exec.Command("go", "test", "-C", "../../..", "-count=1", "-run", "TestIdsAreUnique", "./internal/admin/page", "-html", dir)
	sample.Env = append(os.Environ(), "TZ=UTC")
	if out, err := sample.CombinedOutput(); err != nil {
		t.Fatalf("drawing the sample: %v\n%s", err, out)
	}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, filepath.Join(dir, "broken.html")) }))
	defer web.Close()
	for _, theme := range []string{"light", "dark"} {
		b.open(web.URL, args{"width": 1200, "theme": theme})
		b.wait(`#pulse:has-text("Live")`)
		b.shot(filepath.Join(images, "status-"+theme+".png"), 1020)
	}
}

// secrets wants none in what the page and the document hold.
func secrets(t *testing.T, w *world, b *browser) {
	b.open(w.page, nil)
	b.wait(row("nightly_export"))
	shown := b.do("content", nil).(string)
	res, err := http.Get(w.page + "status.json")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	document, err := io.ReadAll(res.Body)
	if err != nil || !bytes.Contains(document, []byte("nightly_export")) {
		t.Fatalf("/status.json: %v, %s", err, document)
	}
	for what, text := range map[string]string{"page": shown, "document": string(document)} {
		rig.CheckOutput(t, text)
		for _, secret := range []string{w.token, rig.Shared.Keys.SecretAccessKey, rig.Shared.Keys.SessionToken[:40], "select repeat"} {
			if strings.Contains(text, secret) {
				t.Errorf("the %s holds %.12q…", what, secret)
			}
		}
	}
}

// refusals are what other pages, other names and a wrong token get.
func refusals(t *testing.T, w *world, b *browser) {
	id := b.wait(row("as_it_happens") + " th")
	press := func(token, from string) int {
		r, err := http.NewRequest("POST", w.page+"disconnect", strings.NewReader(url.Values{"id": {id}, "token": {token}}.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if from != "" {
			r.Header.Set("Origin", from)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	for name, got := range map[string]int{"no token": press("", ""), "a wrong token": press(strings.Repeat("A", len(w.token)), ""), "a foreign origin": press(w.token, "https://evil.example")} {
		if got != 403 {
			t.Errorf("disconnecting with %s is %d, want 403", name, got)
		}
	}
	for _, link := range []string{w.page, w.page + "?token=wrong"} {
		if code := b.open(link, nil); code != 200 || b.count("form, .end") != 0 {
			t.Errorf("%s: %d, with %d forms; want none", link, code, b.count("form, .end"))
		}
		if said := b.wait("#clients + .none"); !strings.Contains(said, "pgkeyless status") {
			t.Errorf("%s: how to get the link is told as %q", link, said)
		}
	}
	evil := strings.Replace(w.link, "localhost", "evil.example", 1)
	if code := b.open(evil, nil); code != 403 || !strings.Contains(b.wait("main"), "by its own name") {
		t.Errorf("under a name of somebody else the page is %d: %s", code, b.wait("main"))
	}

	// A page of another origin tries all there is, with the right token.
	foreign := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(rw, `<form method="post" action="%sdisconnect"><input name="id" value="%s"><input name="token" value="%s"><button>go</button></form><iframe src="%s"></iframe>`, w.page, id, w.token, w.link)
	}))
	defer foreign.Close()
	b.open(foreign.URL, nil)
	for _, request := range []string{"fetch(%q)", "fetch(%q, {mode: 'no-cors'}).then((r) => r.text()).then((t) => { if (t) return 'read'; throw 0 })"} {
		if got := b.eval(fmt.Sprintf(request+".then((r) => r, () => 'refused')", w.link)); got != "refused" {
			t.Errorf("a foreign page's %s: %v, want it refused", request, got)
		}
	}
	b.follow("button")
	if said := b.wait("body"); !strings.Contains(said, "refused: ") {
		t.Errorf("a foreign page's form: %q, want it refused", said)
	}
	b.open(w.link, nil)
	b.wait(row("as_it_happens"))
	b.wait(row("nightly_export"))
}

// disconnect ends a client by keyboard alone.
func disconnect(t *testing.T, w *world, b *browser, bulk *client) {
	b.open(w.link, nil)
	id := b.wait(row("nightly_export") + " th")
	details := fmt.Sprintf(`[data-key="client-%s"] .end`, id)
	b.listen()
	b.do("tab", args{"selector": ".skip"})
	b.press("Enter")
	b.do("tab", args{"selector": ".copier"})
	b.do("tab", args{"selector": details + " summary"})
	b.press("Enter")
	b.do("tab", args{"selector": details + " button"})
	b.press("Enter")
	b.do("gone", args{"selector": fmt.Sprintf(`[data-key="client-%s"]`, id)})
	b.hear("Session " + id + " disconnected")
	bulk.mustBeEnded()
	b.wait(row("as_it_happens"))
	b.wait(`.events li:has-text("session ended")`)
}

// withoutScript reads and disconnects where JavaScript is off.
func withoutScript(t *testing.T, w *world, b *browser, reader *client) {
	b.open(w.link, args{"script": false, "width": 360})
	id := b.wait(row("as_it_happens") + " th")
	b.wait(".problem.bad pre")
	if n := b.count(".copier:visible") + b.count("#pause:visible"); n != 0 {
		t.Errorf("%d buttons that need a script are shown", n)
	}
	b.follow("#refresh")
	end := fmt.Sprintf(`[data-key="client-%s"] .end `, id)
	b.wait(end + "summary")
	if n := b.count(end + "button:visible"); n != 0 {
		t.Error("a single click disconnects")
	}
	b.click(end + "summary")
	b.follow(end + "button")
	if said := b.wait(".notice"); said != "Session "+id+" was disconnected." {
		t.Errorf("the page says %q", said)
	}
	reader.mustBeEnded()
}

// stayedHere wants every request so far to have been to this machine.
func stayedHere(t *testing.T, b *browser) {
	all := list(b.do("requested", nil))
	for _, part := range []string{"&part=1", "/disconnect", "evil.example"} {
		if !strings.Contains(strings.Join(all, " "), part) {
			t.Errorf("only %q were asked for, want %q too", all, part)
		}
	}
	for _, one := range all {
		u, err := url.Parse(one)
		if err != nil || u.Scheme != "data" && u.Hostname() != "localhost" && u.Hostname() != "127.0.0.1" && u.Hostname() != "evil.example" {
			t.Errorf("a request left this machine: %s", one)
		}
	}
}

// goneAway ends pgkeyless beneath the page. It must come last.
func goneAway(t *testing.T, w *world, b *browser) {
	b.open(w.link, nil)
	b.wait("h1")
	w.Stop(syscall.SIGTERM)
	if said := b.wait("#gone"); !strings.Contains(said, "does not answer") {
		t.Errorf("the page says %q", said)
	}
	b.until(`document.getElementById("pulse").textContent === "No answer"`)
}

// A browser that opens the database's port is led to the page, or to the option.
func TestDatabasePortPointsToThePage(t *testing.T) {
	for _, on := range []bool{true, false} {
		s := rig.Setup{}
		if on {
			s.Flags = []string{"--status-page", "--http-port", "0"}
		}
		w := rig.Start(t, s)
		want := "--status-page"
		if on {
			line := w.AwaitLine("Status page: ")
			_, want, _ = strings.Cut(line, "Status page: ")
		}
		res, err := http.Get("http://" + w.Proxy.Addresses()[0] + "/")
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != 400 || !strings.Contains(string(text), want) {
			t.Errorf("page on %v: the port answers %d, %q, %v; want %q in it", on, res.StatusCode, text, err, want)
		}
	}
}
