package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

const (
	channelPath  = "/v1/data-channel/"
	channelRole  = "publish_subscribe"
	readLimit    = 1 << 20     // bytes in one websocket message
	openWait     = time.Minute // which nobody takes unless the machine is busy
	tokenRefused = websocket.StatusPolicyViolation
)

// streamQuery is the query of every stream URL. The base64 value holds a raw +
// and /, as the service's does: it must be dialled as it is.
const streamQuery = "role=" + channelRole + "&cell-number=QVdT+ZW11/bGF0b3I="

// StreamPath is the path and query of a session's stream URL.
func StreamPath(session string) string {
	return channelPath + url.PathEscape(session) + "?" + streamQuery
}

// front is one client websocket on a session's data channel.
type front struct {
	s      *session
	conn   *websocket.Conn
	wire   *wire // beneath conn
	open   openMessage
	number int             // of this session's connections, from 1
	ctx    context.Context // ends with the connection
	both   context.Context // ends with the connection or the session
	cancel context.CancelFunc
	done   chan struct{} // closed when the handler has finished
	ours   atomic.Bool   // the emulator, not the client, ended the connection
}

// serveChannel is the websocket front: /v1/data-channel/{sessionId}.
func (g *Gateway) serveChannel(w http.ResponseWriter, r *http.Request) {
	id := strings.TrimPrefix(r.URL.Path, channelPath)
	g.mu.Lock()
	s := g.sessions[id]
	refuse, status := g.refusals.n.Take(), g.refusals.status
	g.mu.Unlock()
	switch {
	case g.fails(UpgradeHangs):
		select {
		case <-r.Context().Done():
		case <-g.ctx.Done():
		}
		return
	case refuse:
		http.Error(w, http.StatusText(status), status)
		return
	case s == nil || r.URL.Query().Get("role") != channelRole:
		http.Error(w, "Bad Request", http.StatusBadRequest)
		return
	}
	if r.URL.RawQuery != streamQuery {
		s.watch.reportf("the stream URL was not dialled as it was issued")
	}
	if r.Header.Get("Authorization") != "" || !g.cfg.AllowUnsigned {
		if err := g.verifier.VerifyUpgrade(r); err != nil {
			g.cfg.Log.Debug("websocket upgrade refused", "ssm_session", id, "error", err)
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
	}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		OnPingReceived: func(context.Context, []byte) bool { return !g.cfg.IgnorePings },
	})
	if err != nil {
		return // Accept has answered
	}
	conn.SetReadLimit(readLimit)
	f := &front{s: s, conn: conn, wire: r.Context().Value(wireKey{}).(*wire), done: make(chan struct{})}
	f.ctx, f.cancel = context.WithCancel(g.ctx)
	both, cancel := context.WithCancel(f.ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	f.both = both
	f.serve()
}

// serve runs the connection to its end.
func (f *front) serve() {
	defer close(f.done)
	defer func() { _ = f.conn.CloseNow() }()
	defer f.cancel()
	if f.s.g.fails(ClosesBeforeOpen) || !f.readOpen() || f.s.g.fails(ClosesAfterOpen) {
		return
	}
	if !f.s.attach(f) {
		_ = f.conn.Close(websocket.StatusNormalClosure, "")
		return
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		f.write()
	}()
	err := f.read()
	byClient := !f.ours.Load() && f.s.g.ctx.Err() == nil
	f.s.detach(f, byClient)
	f.s.log.Debug("websocket ended", "connection", f.number, "error", err)
	f.cancel()
	<-written
}

// readOpen takes the open message and checks its token.
func (f *front) readOpen() bool {
	ctx, cancel := context.WithTimeout(f.ctx, openWait)
	defer cancel()
	kind, text, err := f.conn.Read(ctx)
	if err != nil {
		return false
	}
	if kind != websocket.MessageText {
		f.s.watch.reportf("the first message is not a text message")
	}
	if err := json.Unmarshal(text, &f.open); err != nil {
		f.s.watch.reportf("the open message is not JSON")
	}
	f.s.watch.opened(text, f.open)
	if f.takeToken() && !f.s.g.fails(RefusesToken) {
		return true
	}
	if f.s.g.cfg.SilentRefusal {
		for err == nil { // until the client leaves
			_, _, err = f.conn.Read(f.ctx)
		}
		return false
	}
	_ = f.conn.Close(tokenRefused, "")
	return false
}

// takeToken uses up the token if it is the session's newest, unused and young.
func (f *front) takeToken() bool {
	s := f.s
	s.g.mu.Lock()
	fresh := f.open.TokenValue == s.token
	used, old := s.tokenUsed, time.Since(s.tokenMade) > s.g.cfg.TokenLife
	ok := fresh && !used && !old
	if ok {
		s.tokenUsed = true
	}
	s.g.mu.Unlock()
	switch {
	case !fresh:
		s.watch.reportf("the open message does not carry the newest token")
	case used:
		s.watch.reportf("the token was used twice")
	case old:
		s.log.Debug("token too old")
	}
	return ok
}

// read passes messages on to the agent until the connection ends.
func (f *front) read() error {
	for {
		kind, frame, err := f.conn.Read(f.ctx)
		if err != nil {
			return err
		}
		if kind != websocket.MessageBinary {
			f.s.watch.reportf("a text message after the open message")
		}
		f.s.taken.Add(1)
		f.s.watch.fromClient(f.number, frame)
		// An error means that the connection has ended, which the next Read
		// tells, or the session, of which the client will hear.
		_ = f.s.receive(f.both, frame)
	}
}

// write sends what is due for the client until the connection ends.
func (f *front) write() {
	for {
		p, err := f.s.toClient.get(f.ctx)
		if err != nil {
			return
		}
		kind := websocket.MessageBinary
		if p.text {
			kind = websocket.MessageText
		}
		var mark message
		if !f.wire.darkDown() { // what does not arrive need not be acknowledged
			mark = f.s.watch.delivering(f.number, p.frame)
		}
		if err := f.conn.Write(f.ctx, kind, p.frame); err != nil {
			f.cancel()
			return
		}
		f.s.given.Add(1)
		f.s.watch.delivered(mark)
		if p.last {
			f.close(closeGrace, websocket.StatusNormalClosure, "")
			return
		}
	}
}

// close waits for the client to close, then does it with a close frame.
func (f *front) close(after time.Duration, code websocket.StatusCode, reason string) {
	if sleep(f.ctx, after) {
		f.ours.Store(true)
		_ = f.conn.Close(code, reason)
	}
}

// drop cuts the connection without a close frame.
func (f *front) drop() {
	f.ours.Store(true)
	f.cancel()
	_ = f.conn.CloseNow()
}
