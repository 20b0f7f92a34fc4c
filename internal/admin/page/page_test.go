package page

import (
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/status"
)

func draw(t *testing.T, d status.Document, o Options) string {
	t.Helper()
	var b strings.Builder
	if err := Write(&b, d, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// wants looks for texts, in this order.
func wants(t *testing.T, html string, texts ...string) {
	t.Helper()
	at := 0
	for _, text := range texts {
		i := strings.Index(html[at:], text)
		if i < 0 {
			t.Errorf("%q is missing, or not behind what goes before it", text)
			continue
		}
		at += i + len(text)
	}
}

func TestWhatIsWrongComesFirst(t *testing.T) {
	html := draw(t, broken(), Options{Nonce: "n"})
	wants(t, html, "<h1", "1 of 3 targets failing", "Logins to billing fail", "for 4 min", "the SSO session has expired",
		"Hint", "<code>aws sso login --profile billing</code>", "<pre", "aws sso login --profile billing</code></pre>", "cause <code>sso-expired</code>",
		"The configuration was not reloaded", "Version", ">billing</h3>", "failing</span>", ">orders</h3>")
}

// A warning and a failed login of the same cause are one thing to do.
func TestOneThingToDoIsSaidOnce(t *testing.T) {
	d := broken()
	d.Warnings = append(d.Warnings, status.Warning{Text: "the AWS credentials of profile \"billing\" are not available", Hint: d.Targets[2].Failure.Hint})
	if html := draw(t, d, Options{Nonce: "n"}); strings.Contains(html, "are not available: ") || strings.Count(html, ">aws sso login --profile billing</code></pre>") != 1 {
		t.Error("the command is shown more than once")
	}
}

var samplesDir = flag.String("html", "", "write the sample pages into this `directory`, for who works on their looks")

func TestIdsAreUnique(t *testing.T) {
	for name, d := range map[string]status.Document{"idle": idle(), "busy": busy(), "broken": broken()} {
		html := draw(t, d, Options{Nonce: "n", Token: "TOK"})
		if *samplesDir != "" {
			if err := os.WriteFile(filepath.Join(*samplesDir, name+".html"), []byte(html), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		seen := map[string]bool{}
		for _, id := range regexp.MustCompile(` id="([^"]*)"`).FindAllStringSubmatch(html, -1) {
			if seen[id[1]] {
				t.Errorf("%s: two elements have the id %q", name, id[1])
			}
			seen[id[1]] = true
		}
		for _, link := range regexp.MustCompile(`(?:href="#|aria-labelledby=")([^"]*)"`).FindAllStringSubmatch(html, -1) {
			if !seen[link[1]] {
				t.Errorf("%s: nothing has the id %q, which is named", name, link[1])
			}
		}
	}
}

func TestIdleIsNormal(t *testing.T) {
	html := draw(t, idle(), Options{Nonce: "n"})
	wants(t, html, `<h1 class="ok">`, "Ready, no clients connected", "No client, so no tunnel is open", "psql -h localhost -p 5432 -U app_user app")
	for _, alarm := range []string{`class="problem`, `class="bad"`, `class="tag"`} {
		if strings.Contains(html, alarm) {
			t.Errorf("an idle proxy alarms: %q", alarm)
		}
	}
}

func TestBusyPageSaysWhatGoesOn(t *testing.T) {
	html := draw(t, busy(), Options{Nonce: "n", Token: "TOK"})
	wants(t, html, "All is well", "2 d 4 h", "4 open of 100", "assumed-role/developer/ada", "41 min left", "renewed by itself",
		"default_transaction_read_only=on", "273 ms", "tunnel 141 ms", "SSM sessions", "at most 0.9 MB/s", "868 kB/s", "near its ceiling: raise <code>sessions</code>",
		"Clients", "pg_dump", "ada (pid 52118)", "active", "↓ 864 kB/s", `name="id" value="1877"`, `name="token" value="TOK"`, "Events", "ssm session resumed")
	if n := strings.Count(html, "near its ceiling"); n != 1 {
		t.Errorf("%d sessions are called full, want the one of 868 kB/s", n)
	}
}

// An upload has no ceiling.
func TestUploadsAreNotCalledFull(t *testing.T) {
	d := busy()
	d.Targets[0].Traffic.UpNow, d.Targets[0].Traffic.DownNow = 8_000_000, 1000
	d.Targets[0].Sessions[0].Now = 8_000_000
	if html := draw(t, d, Options{Nonce: "n"}); strings.Contains(html, "near its ceiling") {
		t.Error("an upload beyond the ceiling is called full")
	}
}

func TestWithoutTokenThePageOnlyShows(t *testing.T) {
	for name, o := range map[string]Options{"none": {Nonce: "n"}, "wrong": {Nonce: "n", WrongToken: true}} {
		html := draw(t, busy(), o)
		if strings.Contains(html, "<form") || strings.Contains(html, "<input") {
			t.Errorf("%s: there is a form", name)
		}
		wants(t, html, "Clients", "<code>pgkeyless status</code>")
	}
}

// hostile are names that a client, a database or a file may have.
var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='alert(1)`, `</title></style></script><b>`, `javascript:alert(1)`,
	"a\x1b[31mred", "\u202egnp.exe", "\x00\xff\xfe", "{{.Token}}", "`rm -rf /`<b>", "</textarea><!--", "\u2028alert(1)", strings.Repeat("<i>", 2000),
}

func TestHostileTextStaysText(t *testing.T) {
	tags := regexp.MustCompile(`<[a-zA-Z][^>]*>`)
	plain := len(tags.FindAllString(draw(t, poisoned("x y"), Options{Nonce: "n", Token: "TOK"}), -1))
	for _, text := range hostile {
		html := draw(t, poisoned(text), Options{Nonce: "n", Token: "TOK"})
		// A command between backquotes has a box of its own, wherever hints are shown.
		if got := len(tags.FindAllString(html, -1)); got != plain && !strings.Contains(text, "`") {
			t.Errorf("%q: %d tags, want %d", text, got, plain)
		}
		for _, raw := range []string{"<script>alert", "<img", "\x1b", "\u202e", "\x00", "onerror=alert(1)>", "' onmouseover='", "<i>", "<b>\n", "</textarea>"} {
			if strings.Contains(html, raw) {
				t.Errorf("%q: the page holds %q", text, raw)
			}
		}
	}
}

// poisoned has text wherever a text can be.
func poisoned(text string) status.Document {
	return status.Document{
		At: noon, Proxy: status.Proxy{Release: text, State: status.Serving, Started: noon, ConfigFile: text, Unstarted: []status.Reason{{Reason: text, Count: 1}},
			Reload: &status.Reload{At: noon, Error: text, Hint: text}},
		Credentials: []status.Credential{{Profile: text, Known: true, ARN: text, Account: text, Error: text, Hint: text}},
		Warnings:    []status.Warning{{Text: text, Hint: text}},
		Targets: []status.Target{{Name: text, Endpoint: text, Kind: text, Region: text, Profile: text, Via: text, Listen: []string{text}, Socket: text, Psql: text, URL: text, JDBC: text,
			Guards: []string{text}, State: status.Failing, FailingSince: &noon, Failure: &status.Failure{At: noon, Stage: text, Cause: text, SQLState: text, Message: text, Detail: text, Hint: text},
			Last: &status.Login{At: noon, Stages: []status.Stage{{Name: text, Took: 1}}}, Sessions: []status.Session{{ID: text, JumpHost: text, Agent: text, State: text, Retired: text, Silent: 2}}}},
		Clients: []status.Client{{ID: 1, Target: text, From: text, Peer: text, User: text, Database: text, Application: text, Since: noon, State: text}},
		Events:  []status.Event{{At: noon, Level: text, Text: text, Target: text, Facts: []status.Fact{{Name: text, Value: text}}}},
	}
}

// What a run says before it has anything to say.
func TestEmptyDocument(t *testing.T) {
	html := draw(t, status.Document{Proxy: status.Proxy{State: status.Starting}}, Options{Nonce: "n"})
	wants(t, html, "Starting", "None are served yet", "None is open", "Nobody is connected", "Nothing has happened")
}

// Numbers that make no sense draw no nonsense.
func TestStrangeNumbers(t *testing.T) {
	d := busy()
	for i, n := range []float64{math.NaN(), math.Inf(1), -1, 0, math.MaxFloat64} {
		d.Targets[0].Traffic.History[i] = status.Rate{Up: n, Down: n}
		d.Targets[0].Last.Stages[i].Took = n
		d.Targets[0].Sessions[i%3].Now = n
	}
	d.Proxy.Traffic.History = make([]status.Rate, 10_000)
	html := draw(t, d, Options{Nonce: "n"})
	for _, path := range regexp.MustCompile(` d="[^"]*"`).FindAllString(html, -1) {
		if strings.Contains(path, "NaN") || strings.Contains(path, "Inf") || len(path) > 4000 {
			t.Errorf("a path of %d bytes: %.80s", len(path), path)
		}
	}
}

func TestManyClientsAreBounded(t *testing.T) {
	d := busy()
	d.Clients = nil
	for i := range 10_000 {
		d.Clients = append(d.Clients, status.Client{ID: uint64(i + 1), Target: "orders", User: "app_user", State: "idle", Since: noon, Quiet: 60})
	}
	d.Clients[7776].DownNow = 5000
	html := draw(t, d, Options{Nonce: "n", Token: "TOK"})
	if n := strings.Count(html, `data-key="client-`); n != MostClients {
		t.Errorf("%d clients are listed, want %d", n, MostClients)
	}
	wants(t, html, "The 200 busiest, and 9\u202f800 more", `data-key="client-7777"`, "And 9\u202f800 more")
	if len(html) > 1<<20 {
		t.Errorf("the page is of %d bytes", len(html))
	}
}

func TestRowsKeepTheirPlace(t *testing.T) {
	var all []status.Client
	for id := range MostClients + 50 {
		all = append(all, status.Client{ID: uint64(id), DownNow: float64((id * 37) % 100)})
	}
	shown, more := busiest(all)
	if more != 50 || !slices.IsSortedFunc(shown, func(a, b client) int { return int(a.ID) - int(b.ID) }) {
		t.Errorf("%d more, in order of id: %v", more, slices.IsSortedFunc(shown, func(a, b client) int { return int(a.ID) - int(b.ID) }))
	}
}

// Nothing is asked of another place than the page's own.
func TestPageNeedsNothingFromElsewhere(t *testing.T) {
	html := draw(t, broken(), Options{Nonce: "n", Token: "TOK"})
	for _, link := range regexp.MustCompile(`(?:src|href|action|srcset)="([^"]*)"`).FindAllStringSubmatch(html, -1) {
		if to := link[1]; !strings.HasPrefix(to, "#") && !strings.HasPrefix(to, "/") && !strings.HasPrefix(to, "data:image/svg+xml,") || strings.HasPrefix(to, "//") {
			t.Errorf("a link to %q", to)
		}
	}
	if strings.Contains(html, ` style="`) || strings.Contains(html, ` onclick=`) || strings.Contains(styleCSS, "url(") || strings.Contains(styleCSS, "@import") {
		t.Error("what the Content-Security-Policy forbids")
	}
	for _, tag := range regexp.MustCompile(`<(script|style)[^>]*>`).FindAllString(html, -1) {
		if !strings.Contains(tag, `nonce="n"`) {
			t.Errorf("%s without the nonce", tag)
		}
	}
}

func TestPartHasNeitherStyleNorScript(t *testing.T) {
	html := draw(t, busy(), Options{Nonce: "n", Token: "TOK", Part: true})
	if !strings.HasPrefix(html, `<div id="live"`) || strings.Contains(html, "<style") || strings.Contains(html, "<script") || strings.Contains(html, "<html") {
		t.Errorf("the part begins %.60q", html)
	}
	if whole := draw(t, busy(), Options{Nonce: "n", Token: "TOK"}); !strings.Contains(whole, html) {
		t.Error("the part is not what the whole page holds")
	}
}

func TestHintsAreSplitAtBackquotes(t *testing.T) {
	for hint, want := range map[string]string{
		"":                                       "[] []",
		"log in again":                           "[{log in again false}] []",
		"run `aws sso login`, then reconnect":    "[{run  false} {aws sso login true} {, then reconnect false}] [aws sso login]",
		"`pgkeyless` is a word, `a b` and `a b`": "[{pgkeyless true} { is a word,  false} {a b true} { and  false} {a b true}] [a b]",
		"one ` alone":                            "[{one ` alone false}] []",
		"an empty `` pair":                       "[{an empty  false} { pair false}] []",
	} {
		all := split(hint)
		if got := fmt.Sprint(all, commands(all)); got != want {
			t.Errorf("%q: %s, want %s", hint, got, want)
		}
	}
}

func TestNumbersForPeople(t *testing.T) {
	for n, want := range map[float64]string{-4: "0 B/s", math.Inf(1): "0 B/s", math.NaN(): "0 B/s", 868_000: "868 kB/s"} {
		if got := rate(n); got != want {
			t.Errorf("%v bytes a second: %q, want %q", n, got, want)
		}
	}
	for s, want := range map[float64]string{0: "0 ms", 61: "1 min 1 s", 190_000: "2 d 4 h", -90: "-1 min 30 s", math.Inf(1): "11574 d 1 h", math.NaN(): "0 ms"} {
		if got := span(s); got != want {
			t.Errorf("%v s: %q, want %q", s, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1\u202f000", -1234567: "-1\u202f234\u202f567"} {
		if got := count(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
	if got := clock(noon, noon.Add(-30*time.Hour)); !strings.Contains(got, "Mar") {
		t.Errorf("yesterday is %q, want its date", got)
	}
}

func TestBarsFillTheirWidth(t *testing.T) {
	parts := bar([]status.Stage{{Name: "a", Took: 0.25}, {Name: "b", Took: 0.75}, {Name: "c"}})
	if len(parts) != 3 || parts[1].X != 25 || parts[1].Width != 75 || parts[2].Width != 0 {
		t.Errorf("got %+v", parts)
	}
	if parts := bar([]status.Stage{{Name: "a"}}); parts[0].Width != 0 {
		t.Errorf("no time at all: %+v", parts)
	}
}
