package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/running"
	"github.com/pgkeyless/pgkeyless/internal/testenv"
)

// remote is one whose proxy answers so.
func remote(t *testing.T, answer http.HandlerFunc) *Remote {
	t.Helper()
	s := httptest.NewServer(answer)
	t.Cleanup(s.Close)
	return &Remote{PID: 7, base: s.URL, client: s.Client()}
}

func TestAnswersThatAreErrors(t *testing.T) {
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		want   string
		hint   string
	}{
		"in its own words": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(409)
			io.WriteString(w, `{"error": "no", "hint": "try"}`)
		}, "no", "try"},
		"unknown path": {http.NotFound, "does not offer this", ""},
		"no JSON":      {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }, "the status of pgkeyless (pid 7)", ""},
		"newer":        {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"version": 99}`) }, "is newer than this command", "same version"},
		"control":      {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "a\x1b[2Jb", 500) }, `a\x1b[2Jb`, ""},
		"ends too early": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "99")
			io.WriteString(w, "{")
		}, "unexpected EOF", ""},
	} {
		_, err := remote(t, test.answer).Status(t.Context())
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(causes.Hint(err), test.hint) {
			t.Errorf("%s: %v, hint %q; want %q, %q", name, err, causes.Hint(err), test.want, test.hint)
		}
	}
}

func TestAnswerIsBounded(t *testing.T) {
	r := remote(t, func(w http.ResponseWriter, _ *http.Request) {
		chunk := []byte(strings.Repeat(" ", 1<<20))
		for range 70 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	if _, err := r.ask(t.Context(), http.MethodGet, "/status.json", time.Minute); err == nil || !strings.Contains(err.Error(), "sent more than") {
		t.Errorf("got %v", err)
	}
}

func TestNobodyAnswers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	err = At(port).Ready(t.Context())
	if err == nil || errors.Is(err, ErrNotOffered) || !strings.Contains(err.Error(), fmt.Sprintf("pgkeyless at localhost:%d does not answer", port)) {
		t.Errorf("got %v", err)
	}
}

// The registry leads to the private socket, or to loopback with the secret.
func TestAllAreReachedByTheRegistry(t *testing.T) {
	testenv.Isolate(t)
	asked := ""
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.Method + " " + r.RequestURI + " " + r.Header.Get("Authorization")
	}))
	defer s.Close()
	e := new(running.Enrolment)
	e.Administer(&running.Admin{Network: "tcp", Address: s.Listener.Addr().String(), Secret: "s3cret"})
	if err := e.Renew([]running.Served{{Name: "Orders"}}); err != nil {
		t.Fatal(err)
	}
	defer e.Withdraw()
	all := All()
	if len(all) != 1 || !all[0].Serves("orders") || all[0].Serves("reports") || all[0].PID == 0 {
		t.Fatalf("found %+v", all)
	}
	for want, do := range map[string]func(context.Context) error{
		"POST /shutdown Bearer s3cret":        all[0].Shutdown,
		"POST /reload Bearer s3cret":          all[0].Reload,
		"GET /readiness Bearer s3cret":        all[0].Ready,
		"POST /disconnect?id=5 Bearer s3cret": func(ctx context.Context) error { return all[0].Disconnect(ctx, 5) },
	} {
		if err := do(t.Context()); err != nil || asked != want {
			t.Errorf("asked %q (%v), want %q", asked, err, want)
		}
	}
}
