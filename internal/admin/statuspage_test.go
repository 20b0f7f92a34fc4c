package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/status"
	"github.com/pgkeyless/pgkeyless/proxy"
)

// withPage is one whose page is on, with one client.
func withPage(change func(*Config)) (*Admin, *fakeServer) {
	server := &fakeServer{sessions: []proxy.SessionSnapshot{{ID: 7, Route: "orders", User: "ada"}}}
	a := newAdmin(func(c *Config) {
		c.Run.StatusPage = true
		if change != nil {
			change(c)
		}
	})
	a.Serving(server, []status.Target{{Name: "orders"}}, nil)
	return a, server
}

// The guards of the page and of what is behind it.
func TestPageIsForThisMachineAlone(t *testing.T) {
	a, server := withPage(func(c *Config) { c.Run.HealthCheck = true })
	h := a.public()
	for name, stranger := range map[string]struct {
		change func(*http.Request)
		says   string
	}{
		"another machine":        {func(r *http.Request) { r.RemoteAddr = "10.1.2.3:4" }, "kubectl port-forward POD"},
		"a pod's IPv6":           {func(r *http.Request) { r.RemoteAddr = "[fd00::1]:4" }, "ssh -L"},
		"somebody's DNS":         {func(r *http.Request) { r.Host = "evil.example:9090" }, "own name"},
		"no Host":                {func(r *http.Request) { r.Host = "" }, "own name"},
		"localhost of a domain":  {func(r *http.Request) { r.Host = "localhost.evil.example" }, "own name"},
		"a foreign Origin":       {func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }, "another web page"},
		"a sandboxed frame":      {func(r *http.Request) { r.Header.Set("Origin", "null") }, "another web page"},
		"a page of another port": {func(r *http.Request) { r.Header.Set("Origin", "http://localhost:3000") }, "another web page"},
		"a cross-site link":      {func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, "another web page"},
		"another user": {func(r *http.Request) {
			*r = *r.WithContext(context.WithValue(r.Context(), verdict{}, errors.New("this proxy is for bob alone")))
		}, "for bob alone"},
	} {
		if code, body := ask(h, "GET", "/", stranger.change); code != 403 || !strings.Contains(body, stranger.says) || strings.Contains(body, "ada") {
			t.Errorf("%s: page is %d, %s; want 403 and %q", name, code, body, stranger.says)
		}
		if code, body := ask(h, "GET", "/status.json", stranger.change); code != 403 || strings.Contains(body, "ada") {
			t.Errorf("%s: /status.json is %d, %s; want 403", name, code, body)
		}
		press := form(a, url.Values{"id": {"7"}, "token": {a.token.Reveal()}}, stranger.change)
		if press.Code != 403 || len(server.ended) != 0 {
			t.Errorf("%s: disconnecting is %d, ended %v; want 403", name, press.Code, server.ended)
		}
		if code, body := ask(h, "GET", "/readiness", stranger.change); code != 200 {
			t.Errorf("%s: a probe is %d, %s; want 200", name, code, body)
		}
	}
	for name, change := range map[string]func(*http.Request){
		"localhost":  nil,
		"IPv6":       func(r *http.Request) { r.RemoteAddr, r.Host = "[::1]:4", "[::1]:9090" },
		"an address": func(r *http.Request) { r.Host = "127.0.0.1:9090" },
		"a browser":  func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "none") },
		"its script": func(r *http.Request) {
			r.Header.Set("Sec-Fetch-Site", "same-origin")
			r.Header.Set("Origin", "http://localhost:9090")
		},
	} {
		if code, body := ask(h, "GET", "/", change); code != 200 || !strings.Contains(body, "ada") {
			t.Errorf("%s: page is %d, %.300s; want 200", name, code, body)
		}
	}
}

// form posts to /disconnect.
func form(a *Admin, values url.Values, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "/disconnect?"+url.Values{"token": {a.token.Reveal()}}.Encode(), strings.NewReader(values.Encode()))
	r.RemoteAddr, r.Host = "127.0.0.1:5", "localhost:9090"
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	a.public().ServeHTTP(w, r)
	return w
}

func TestDisconnectTakesThePagesToken(t *testing.T) {
	a, server := withPage(nil)
	token := a.token.Reveal()
	script := func(r *http.Request) { r.Header.Set("Accept", "application/json") }
	for _, test := range []struct {
		name      string
		id, token string
		change    func(*http.Request)
		code      int
		to        string
		ended     int
	}{
		{"no token in the form", "7", "", nil, 403, "", 0},
		{"a wrong one", "7", token[1:] + "A", nil, 403, "", 0},
		{"a longer one", "7", token + token, script, 403, "", 0},
		{"no id", "", token, nil, 400, "", 0},
		{"an id that is none", "-1", token, script, 400, "", 0},
		{"who has gone", "8", token, nil, 303, "/?missed=8&token=" + token, 1},
		{"who has gone, by script", "8", token, script, 404, "", 1},
		{"a client", "7", token, nil, 303, "/?ended=7&token=" + token, 1},
		{"a client, by script", "7", token, script, 204, "", 1},
	} {
		server.ended = nil
		w := form(a, url.Values{"id": {test.id}, "token": {test.token}}, test.change)
		if w.Code != test.code || w.Header().Get("Location") != test.to || len(server.ended) != test.ended {
			t.Errorf("%s: %d to %q, ended %v; want %d to %q and %d ended", test.name, w.Code, w.Header().Get("Location"), server.ended, test.code, test.to, test.ended)
		}
	}
	if code, _ := ask(a.public(), "GET", "/disconnect?id=7&token="+token, nil); code != 405 {
		t.Errorf("GET /disconnect is %d, want 405", code)
	}
}

func TestPageHasButtonsWithItsTokenAlone(t *testing.T) {
	a, _ := withPage(nil)
	for _, test := range []struct {
		token   string
		buttons bool
		says    string
	}{{"", false, "This page only shows"}, {"wrong", false, "not one of this run"}, {a.token.Reveal(), true, "Disconnect now"}} {
		code, body := ask(a.public(), "GET", "/?token="+url.QueryEscape(test.token), nil)
		if code != 200 || strings.Contains(body, "<form") != test.buttons || !strings.Contains(body, test.says) {
			t.Errorf("token %q: %d, buttons %v, want %v and %q", test.token, code, strings.Contains(body, "<form"), test.buttons, test.says)
		}
		if !test.buttons && strings.Contains(body, a.token.Reveal()) {
			t.Errorf("token %q: the page gives the right one away", test.token)
		}
	}
	_, body := ask(a.public(), "GET", "/status.json", nil)
	if strings.Contains(body, a.token.Reveal()) {
		t.Error("/status.json gives the token away")
	}
	if _, body := ask(a.public(), "GET", "/?ended=%3Cblink%3E&missed=12", nil); !strings.Contains(body, "There is no session 12") || strings.Contains(body, "blink") {
		t.Error("a notice repeats what a link says")
	}
}

func TestPageHeaders(t *testing.T) {
	a, _ := withPage(nil)
	nonce := regexp.MustCompile(`script-src 'nonce-([A-Z2-7]+)'`)
	seen := map[string]bool{}
	for _, remote := range []string{"127.0.0.1:5", "127.0.0.1:5", "10.0.0.1:5"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr, r.Host = remote, "localhost:9090"
		w := httptest.NewRecorder()
		a.public().ServeHTTP(w, r)
		policy := w.Header().Get("Content-Security-Policy")
		found := nonce.FindStringSubmatch(policy)
		if found == nil || seen[found[1]] || !strings.Contains(w.Body.String(), `nonce="`+found[1]+`"`) {
			t.Errorf("%s: policy %q; want a new nonce that the page has", remote, policy)
			continue
		}
		seen[found[1]] = true
		for _, part := range []string{"default-src 'none'", "style-src 'nonce-" + found[1], "connect-src 'self'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
			if !strings.Contains(policy, part) {
				t.Errorf("policy %q lacks %q", policy, part)
			}
		}
		for name, want := range map[string]string{"Referrer-Policy": "same-origin", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
			"Content-Type": "text/html; charset=utf-8", "Access-Control-Allow-Origin": ""} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
	}
}

func TestPageThatIsOffSaysHowToTurnItOn(t *testing.T) {
	a, server := withPage(func(c *Config) { c.Run.StatusPage, c.Run.HealthCheck = false, true })
	for _, path := range []string{"/", "/status.json"} {
		if code, body := ask(a.public(), "GET", path, nil); code != 404 || !strings.Contains(body, "--status-page") {
			t.Errorf("%s is %d, %q; want 404 and the option", path, code, body)
		}
	}
	if w := form(a, url.Values{"id": {"7"}, "token": {a.token.Reveal()}}, nil); w.Code != 404 && w.Code != 405 || len(server.ended) > 0 {
		t.Errorf("disconnecting is %d, ended %v", w.Code, server.ended)
	}
	if a.Page() != "" {
		t.Errorf("a page at %q", a.Page())
	}
	for _, path := range []string{"/nothing", "/index.html", "//", "/debug/pprof/"} {
		on, _ := withPage(nil)
		if code, _ := ask(on.public(), "GET", path, nil); code != 404 && code != 307 && code != 301 {
			t.Errorf("%s is %d, want 404", path, code)
		}
	}
}

func TestStatusJSONOfThePage(t *testing.T) {
	a, _ := withPage(nil)
	code, body := ask(a.public(), "GET", "/status.json", nil)
	var d status.Document
	if err := json.Unmarshal([]byte(body), &d); code != 200 || err != nil || d.Version != status.Version || len(d.Clients) != 1 {
		t.Errorf("%d, %v, %+v", code, err, d)
	}
}
