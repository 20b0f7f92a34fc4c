package admin

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/admin/page"
	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// pageOff is what somebody reads who looks for a page that is not served.
const pageOff = "the status page is off; --status-page turns it on, and `pgkeyless status` shows the same in a terminal"

// page adds the status page, the document behind it and what its buttons do. All is
// for this machine alone, also where the HTTP address is open to others.
func (a *Admin) page(mux *http.ServeMux) {
	if !a.cfg.Run.StatusPage {
		off := func(w http.ResponseWriter, _ *http.Request) { http.Error(w, pageOff, http.StatusNotFound) }
		mux.HandleFunc("GET /{$}", off)
		mux.HandleFunc("GET /status.json", off)
		return
	}
	mux.HandleFunc("GET /{$}", a.showPage)
	mux.Handle("GET /status.json", ofThisMachine(a.statusJSON("")))
	mux.Handle("POST /disconnect", ofThisMachine(http.HandlerFunc(a.pressDisconnect)))
}

// showPage draws the page. With the token of this run in the query its buttons work.
func (a *Admin) showPage(w http.ResponseWriter, r *http.Request) {
	nonce := rand.Text()
	pageHeaders(w, nonce)
	if why := stranger(r); why != welcome {
		a.turnAway(w, r, why, nonce)
		return
	}
	query := r.URL.Query()
	o := page.Options{Nonce: nonce, Part: query.Has("part"), Notice: notice(query)}
	switch given := query.Get("token"); {
	case a.ofThisRun(given):
		o.Token = given
	case given != "":
		o.WrongToken = true
	}
	var drawn bytes.Buffer // so that what goes wrong is no half page
	if err := page.Write(&drawn, a.Document(), o); err != nil {
		a.cfg.Log.Error("the status page could not be drawn", "error", err)
		http.Error(w, "the status page could not be drawn; `pgkeyless status` shows the same", http.StatusInternalServerError)
		return
	}
	_, _ = drawn.WriteTo(w) // the browser may have left
}

// turnAway says how to get to the page.
func (a *Admin) turnAway(w http.ResponseWriter, r *http.Request, why refusal, nonce string) {
	port := a.doors.http.Port()
	here := fmt.Sprintf("http://localhost:%d/", port)
	said := page.Refusal{Title: "Not from here", Text: []string{"The status page is for the machine that pgkeyless runs on: it names clients, and can disconnect them."}}
	switch why {
	case elsewhere:
		said.Text = append(said.Text,
			fmt.Sprintf("In Kubernetes, run `kubectl port-forward POD %d` and open %s in your browser.", port, here),
			fmt.Sprintf("On another machine, run `ssh -L %d:localhost:%d HOST` and open the same address.", port, port))
	case otherName:
		said.Text = append(said.Text, "Open it by its own name: "+here)
	case otherPage:
		said.Text = append(said.Text, "You came from another web page. Type or paste the address: "+here)
	default: // another user
		said.Text = []string{string(why), causes.Hint(barred(r))}
	}
	w.WriteHeader(http.StatusForbidden)
	_ = page.WriteRefusal(w, said, nonce)
}

// pressDisconnect is the button beside a client. A browser without script is led
// back to the page.
func (a *Admin) pressDisconnect(w http.ResponseWriter, r *http.Request) {
	token := r.PostFormValue("token") // never the query's, which a link may hold
	if !a.ofThisRun(token) {
		writeJSON(w, http.StatusForbidden, problem{Error: "this page may not disconnect clients", Hint: "open the link that `pgkeyless status` prints"})
		return
	}
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		a.disconnect(w, r)
		return
	}
	id, err := strconv.ParseUint(r.PostFormValue("id"), 10, 64)
	if err != nil {
		http.Error(w, "id is not the number of a session", http.StatusBadRequest)
		return
	}
	back := url.Values{"token": {token}}
	if a.endSession(id) {
		back.Set("ended", strconv.FormatUint(id, 10))
	} else {
		back.Set("missed", strconv.FormatUint(id, 10))
	}
	pageHeaders(w, rand.Text())
	http.Redirect(w, r, "/?"+back.Encode(), http.StatusSeeOther)
}

// notice says how pressDisconnect came out.
func notice(query url.Values) string {
	if id, err := strconv.ParseUint(query.Get("ended"), 10, 64); err == nil {
		return fmt.Sprintf("Session %d was disconnected.", id)
	}
	if id, err := strconv.ParseUint(query.Get("missed"), 10, 64); err == nil {
		return fmt.Sprintf("There is no session %d: it has already ended.", id)
	}
	return ""
}

// ofThisRun takes the same time for every wrong token.
func (a *Admin) ofThisRun(token string) bool {
	return subtle.ConstantTimeCompare([]byte(token), []byte(a.token.Reveal())) == 1
}

// pageHeaders keep a page to itself: nothing is loaded for it, framed around it, told
// to others of it or kept of it.
func pageHeaders(w http.ResponseWriter, nonce string) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", page.Policy(nonce))
	// Not no-referrer, under which browsers send a form's Origin as null. To others
	// nothing is sent either way.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}
