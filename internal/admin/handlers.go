package admin

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/mmcloughlin/professor"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/loopback"
	"github.com/pgkeyless/pgkeyless/internal/secret"
)

func newSecret() string { return rand.Text() }

// public is what the HTTP address serves.
func (a *Admin) public() http.Handler {
	run, mux := a.cfg.Run, http.NewServeMux()
	if run.HealthCheck {
		a.probes(mux)
	}
	if run.Prometheus {
		mux.Handle("GET /metrics", a.metrics.Handler())
	}
	a.page(mux)
	return mux
}

// probes adds the three.
func (a *Admin) probes(mux *http.ServeMux) {
	mux.HandleFunc("GET /startup", probe("startup", a.startup))
	mux.HandleFunc("GET /readiness", probe("readiness", a.readiness))
	mux.HandleFunc("GET /liveness", probe("liveness", a.liveness))
}

// operators is what the admin port serves, which is on loopback: profiles, and for
// --quitquitquit what the commands need where there is no registry.
func (a *Admin) operators() http.Handler {
	mux := http.NewServeMux()
	if a.cfg.Run.Debug {
		professor.Handle(mux)
	}
	if a.cfg.Run.QuitQuitQuit {
		mux.HandleFunc("POST /quitquitquit", a.shutdown)
		a.actions(mux)
	}
	a.probes(mux)
	mux.HandleFunc("GET /status.json", a.statusJSON(""))
	return ofThisMachine(mux)
}

// owners is what the private socket serves. key is what a request must carry; empty
// where the socket itself lets in nobody else.
func (a *Admin) owners(key secret.Text) http.Handler {
	mux := http.NewServeMux()
	a.probes(mux)
	a.actions(mux)
	mux.Handle("GET /metrics", a.metrics.Handler())
	mux.HandleFunc("GET /status.json", func(w http.ResponseWriter, r *http.Request) {
		page := a.doors.page()
		if page != "" {
			page += "?" + url.Values{"token": {a.token.Reveal()}}.Encode()
		}
		a.statusJSON(page)(w, r)
	})
	if key.Reveal() == "" {
		return mux
	}
	want := []byte("Bearer " + key.Reveal())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), want) != 1 {
			http.Error(w, "this address is for the commands of the user who runs pgkeyless", http.StatusUnauthorized)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// actions adds what changes something.
func (a *Admin) actions(mux *http.ServeMux) {
	mux.HandleFunc("POST /shutdown", a.shutdown)
	mux.HandleFunc("POST /reload", a.reloadNow)
	mux.HandleFunc("POST /disconnect", a.disconnect)
}

// statusJSON writes the document; page replaces the URL in it, unless empty.
func (a *Admin) statusJSON(page string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		d := a.Document()
		if page != "" {
			d.Proxy.Page = page
		}
		writeJSON(w, http.StatusOK, d)
	}
}

// shutdown ends the run.
func (a *Admin) shutdown(w http.ResponseWriter, r *http.Request) {
	a.cfg.Log.Info("shutdown requested")
	a.cfg.Quit()
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprintln(w, "pgkeyless lets open sessions end, and ends")
}

// reloadNow reads the configuration again and says how that came out.
func (a *Admin) reloadNow(w http.ResponseWriter, r *http.Request) {
	if err := a.cfg.Reload(r.Context()); err != nil {
		writeJSON(w, http.StatusConflict, problem{Error: err.Error(), Hint: causes.Hint(err)})
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// disconnect ends the session that the form's id names.
func (a *Admin) disconnect(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseUint(r.FormValue("id"), 10, 64)
	if err != nil {
		writeJSON(w, http.StatusBadRequest, problem{Error: "id is not the number of a session", Hint: "`pgkeyless status` lists them"})
		return
	}
	if !a.endSession(id) {
		writeJSON(w, http.StatusNotFound, problem{Error: fmt.Sprintf("there is no session %d", id), Hint: "it may have ended; `pgkeyless status` lists those that are open"})
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// endSession reports whether there was one.
func (a *Admin) endSession(id uint64) bool {
	a.mu.Lock()
	server := a.server
	a.mu.Unlock()
	return server != nil && server.Disconnect(id)
}

// problem is an answer that is an error.
type problem struct {
	Error string `json:"error"`
	Hint  string `json:"hint,omitempty"`
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(v) // the client may have left
}

// ofThisMachine lets in requests that programs of this machine make to it: from
// loopback, by a name of loopback, not on behalf of a web page from elsewhere, and by
// users whom Config.Admit lets in.
// A name that somebody else's DNS leads here is refused so, and a page that posts
// here.
func ofThisMachine(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if why := stranger(r); why != welcome {
			http.Error(w, "refused: "+string(why), http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// refusal is why a request is not of this machine; welcome is one that is.
type refusal string

const (
	welcome   refusal = ""
	elsewhere refusal = "this is for clients of this machine"
	otherName refusal = "this is for a loopback name such as localhost"
	otherPage refusal = "the request came from another web page"
)

func stranger(r *http.Request) refusal {
	switch {
	case !fromLoopback(r.RemoteAddr):
		return elsewhere
	case !loopback.Is(hostOf(r.Host)):
		return otherName
	case foreign(r):
		return otherPage
	case barred(r) != nil:
		return refusal(barred(r).Error())
	}
	return welcome
}

// verdict is the key under which a connection's context has what Config.Admit says.
type verdict struct{}

// judged notes it. Of a connection from elsewhere than loopback it says nothing.
func (a *Admin) judged(ctx context.Context, c net.Conn) context.Context {
	if err := a.cfg.Admit(c); err != nil {
		return context.WithValue(ctx, verdict{}, err)
	}
	return ctx
}

// barred is why the user behind a request may not make it; nil: the user may.
func barred(r *http.Request) error {
	err, _ := r.Context().Value(verdict{}).(error)
	return err
}

// foreign reports whether a browser asks on behalf of another origin.
func foreign(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
	default:
		return true
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	u, err := url.Parse(origin)
	return err != nil || !strings.EqualFold(u.Host, r.Host)
}

func fromLoopback(address string) bool {
	at, err := netip.ParseAddrPort(address)
	return err == nil && at.Addr().Unmap().IsLoopback()
}

// hostOf is the host of a Host header, without its port.
func hostOf(header string) string {
	if host, _, err := net.SplitHostPort(header); err == nil {
		return host
	}
	return strings.Trim(header, "[]")
}
