package proxy

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

const (
	// maxGreeting bounds what a ready login keeps of what the database says up to
	// ReadyForQuery: fifty settings take 2 KiB.
	maxGreeting = 64 << 10
	// maxSaid bounds what it keeps of what comes later. At rest, a database says a word
	// when its configuration is reloaded, and no more.
	maxSaid = 16 << 10
	// readyRead is how much of that is read at once.
	readyRead = 512
	// lastLook is how long reading may take of what has arrived: no time at all.
	lastLook = 20 * time.Millisecond
)

// readyLogin is a session at a database that waits for its client.
type readyLogin struct {
	key      readyKey
	route    *Route // by which it was made
	identity string // of Route.Identity, then
	user     string // database user
	method   string // as session.method
	made     time.Time
	expires  time.Time
	account  *account // that counts it

	up       *upstream
	ssm      string // as session.ssmSession
	pid      uint32 // of BackendKeyData; secret is empty where there was none
	secret   []byte
	greeting []byte // up to ReadyForQuery, as the database sent it
	said     []byte // since then; once it is handed out, what the client got of that
	rest     *resting
	gone     chan struct{} // closed by close; that of its readyMaking
}

// bounded takes bytes up to most of them.
type bounded struct {
	buf  []byte
	most int
}

// errGreetingTooLong is a database that says more at a login than is kept of it.
var errGreetingTooLong = errors.New("the database says too much for a ready login")

func (b *bounded) Write(p []byte) (int, error) {
	if len(b.buf)+len(p) > b.most {
		return 0, errGreetingTooLong
	}
	b.buf = append(b.buf, p...)
	return len(p), nil
}

// split returns what of told is up to the first ReadyForQuery, and what is behind it.
func split(told []byte) (greeting, said []byte) {
	in := messages{buf: told}
	for in.ready(maxLoginBody) {
		msg, err := in.next(maxLoginBody)
		if err != nil || msg[0] == 'Z' {
			break
		}
	}
	return told[:in.pos:in.pos], told[in.pos:]
}

// atRest looks at what a database has said since ReadyForQuery, unasked. over says that
// the session ends, or is none that waits for a query any more, with the SQLSTATE that the
// database gives; whole is how many bytes are whole messages. An ErrorResponse that is not
// whole yet is not over: the rest of it says why (see dying).
func atRest(said []byte) (whole int, over bool, state string) {
	for len(said)-whole >= headLen {
		msg := said[whole:]
		length := binary.BigEndian.Uint32(msg[1:headLen])
		switch msg[0] {
		case 'S', 'N', 'A', 'E': // ParameterStatus, NoticeResponse, NotificationResponse, ErrorResponse
		default:
			return whole, true, ""
		}
		if length < 4 || length > maxSaid {
			return whole, true, ""
		}
		if len(msg) < int(length)+1 {
			break
		}
		if msg[0] == 'E' {
			return whole, true, errorFields(msg[headLen : length+1])['C']
		}
		whole += int(length) + 1
	}
	return whole, false, ""
}

// dying says that said ends with an ErrorResponse that is not whole.
func dying(said []byte) bool {
	whole, over, _ := atRest(said)
	return !over && len(said) > whole && said[whole] == 'E'
}

// resting reads what a database says while nobody asks it anything. It owns its
// goroutine.
type resting struct {
	conn net.Conn
	said []byte
	err  error // why reading ended; nil: said tells, or stop was called
	done chan struct{}
}

// watchRest reads from c, behind what it has said, until that ends the session or is too
// much, or once only, and what an ErrorResponse lacks then. ended is called then, from the
// goroutine, unless it is nil.
func watchRest(c net.Conn, said []byte, once bool, ended func()) *resting {
	r := &resting{conn: c, said: said, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		for r.read() && (!once || dying(r.said)) {
		}
		if ended != nil && !errors.Is(r.err, os.ErrDeadlineExceeded) {
			ended()
		}
	}()
	return r
}

// read reads once, and says whether the session rests on.
func (r *resting) read() bool {
	var buf [readyRead]byte
	n, err := r.conn.Read(buf[:])
	r.said = append(r.said, buf[:n]...)
	if err != nil {
		r.err = err
		return false
	}
	return r.goesOn()
}

// stop ends reading, after what has arrived already, and waits for the goroutine. It
// returns what was said, and whether the session rests.
func (r *resting) stop() (said []byte, rests bool) {
	r.conn.SetReadDeadline(longAgo)
	<-r.done
	if errors.Is(r.err, os.ErrDeadlineExceeded) {
		r.err = nil
	}
	for r.goesOn() && arrived(beneath(r.conn)) {
		r.conn.SetReadDeadline(time.Now().Add(lastLook))
		if r.read(); errors.Is(r.err, os.ErrDeadlineExceeded) { // part of a record, or late to look
			r.err = nil
		}
	}
	r.conn.SetReadDeadline(time.Time{})
	return r.said, r.rests()
}

// goesOn says that there may be more to read.
func (r *resting) goesOn() bool {
	_, over, _ := atRest(r.said)
	return r.err == nil && !over && len(r.said) <= maxSaid
}

// rests says that the session is still one that waits for a query.
func (r *resting) rests() bool { return r.goesOn() && !dying(r.said) }

// makeReady logs in with m as a client would that has no part in it. ctx bounds it.
func (s *Server) makeReady(ctx context.Context, key readyKey, route *Route, m startupMessage, early bool) (*readyLogin, error) {
	identity := route.whose()
	if route.Identity != nil && identity == "" {
		return nil, errNobody
	}
	up, err := route.open(ctx, route.Address, s.firstByte, nil)
	if err != nil {
		return nil, err
	}
	release := interrupt(ctx, up.raw)
	r := &readyLogin{key: key, route: route, identity: identity, user: m.value("user"), up: up}
	if over, ok := up.raw.(interface{ SSMSession() string }); ok {
		r.ssm = over.SSMSession()
	}
	told := &bounded{most: maxGreeting}
	l := &login{client: told, server: up, in: messages{r: up}, user: m.value("user"), route: unexplained(route), guesses: &key.served.guesses, early: early, whole: true,
		key: func(pid uint32, secret []byte) { r.pid, r.secret = pid, append([]byte(nil), secret...) }}
	err = l.run(ctx, m)
	release()
	key.served.asked(l, err, s.log.With("route", key.served.Name))
	if err == nil && !route.still(identity) {
		err = errNobody
	}
	if err != nil {
		over := s.ready.bound(up.raw)
		up.abandon()
		over()
		return nil, err
	}
	r.method = l.method()
	s.learn(key.served, l)
	r.greeting, r.said = split(told.buf)
	r.said = append(r.said, l.begun...)
	r.made = time.Now()
	return r, nil
}

// unexplained is r without an Explainer: nobody reads its words, and it asks AWS.
func unexplained(r *Route) *Route {
	own := *r
	own.Refusals = nil
	return &own
}

// whose says for whom tokens are made now, or "" where that cannot be said at once.
func (r *Route) whose() string {
	if r.Identity == nil {
		return ""
	}
	return r.Identity()
}

// errNobody is a ready login of which it is not known for whom it was made.
var errNobody = errors.New("the AWS identity is not known, or has changed during the login")

// still says that tokens are made for identity now, as they were when whose returned it.
// What is not known is not the same.
func (r *Route) still(identity string) bool {
	return r.Identity == nil || identity != "" && identity == r.Identity()
}

// retired says that the way to the database is not to be taken any more.
func (r *readyLogin) retired() bool {
	way, ok := r.up.raw.(interface{ Retired() bool })
	return ok && way.Retired()
}

// busy says that a login of its own would go another way now.
func (r *readyLogin) busy() bool {
	way, ok := r.up.raw.(interface{ Busy() bool })
	return ok && way.Busy()
}

// close ends the session at the database, which it waits for until the conn's deadline: its
// place there is free then. The goroutine that reads must have ended.
func (r *readyLogin) close() {
	defer close(r.gone)
	if words, err := new(pgproto3.Terminate).Encode(nil); err == nil {
		r.up.Write(words) // its own error shows when reading
	}
	r.up.awaitEnd()
}

// abandon ends a login that is not finished, and waits for the database to do the same, until
// the conn's deadline. It says no word, which the database would take for an answer and
// complain about in its log: the end of TLS is enough, at every step.
func (up *upstream) abandon() {
	up.CloseWrite()
	up.awaitEnd()
}

// awaitEnd reads until the database has closed, or the deadline has passed, and closes.
func (up *upstream) awaitEnd() {
	defer up.raw.Close()
	io.Copy(io.Discard, io.LimitReader(up, maxFarewell))
}
