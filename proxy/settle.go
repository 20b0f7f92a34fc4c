package proxy

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"iter"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// settleTime is how long a client that got a ready login may ask nothing until it is as
// any other: most ask at once, and those that rest then may rest for hours.
const settleTime = 5 * time.Second

// settle waits for what the client says first over a ready login. Should the login end
// before, the client is logged in anew, and notices nothing: it has asked nothing that
// could be lost, or done twice. early is what it has said already. settle returns the conn
// to go on with, and what the client has said by then; a nil upstream has told client and
// log that there is none.
func (s *session) settle(ctx context.Context, up *upstream, early []byte) (*upstream, []byte) {
	r := up.ready
	up.ready = nil
	late := time.NewTimer(settleTime)
	defer late.Stop()
	first := listen(s.client, early)
	for settled := false; !settled; {
		rest := watchRest(up, up.begun, true, nil)
		select {
		case <-first.heard:
			settled = true
		case <-late.C:
			settled = true
		case <-ctx.Done():
			settled = true
		case <-rest.done:
		}
		said, rests := rest.stop()
		if up.begun = said; !rests && ctx.Err() == nil {
			return s.logInAgain(ctx, r, up), first.stop()
		}
		settled = settled || len(r.said)+len(said) > maxSaid // more is not remembered
		told, err := s.pass(up, settled)
		if err != nil {
			settled = true // the relay finds out what is wrong with the client
		}
		r.said = append(r.said, told...)
	}
	return up, first.stop()
}

// pass passes on what the database has said over up, in whole messages. The beginning of
// another is held back, unless last is set and the relay holds nothing back. It returns
// what the client got.
func (s *session) pass(up *upstream, last bool) ([]byte, error) {
	whole, _, _ := atRest(up.begun)
	if _, holds := up.raw.(retirer); last && !holds {
		whole = len(up.begun)
	}
	if whole == 0 {
		return nil, nil
	}
	n, err := s.client.Write(up.begun[:whole])
	told := up.begun[:n]
	up.boundary.follow(told)
	up.begun = bytes.Clone(up.begun[whole:])
	return told, err
}

// firstWords are those of a client over a ready login. It owns its goroutine.
type firstWords struct {
	*watch
	heard chan struct{} // closed when there are some, or will be none
}

// listen reads from c, behind early, once.
func listen(c net.Conn, early []byte) firstWords {
	w := firstWords{&watch{conn: c, early: early, done: make(chan struct{})}, make(chan struct{})}
	if len(early) > 0 {
		close(w.done)
		close(w.heard)
		return w
	}
	go func() {
		defer close(w.done)
		defer close(w.heard)
		var buf [watchSize]byte
		n, _ := c.Read(buf[:]) // an error comes again
		w.early = bytes.Clone(buf[:n])
	}()
	return w
}

// again is a login of a client that has got a ReadyForQuery before, over a login that has
// ended.
type again struct {
	told   *readyLogin // what the client has got
	answer *bounded    // what the database says now
	began  time.Time
}

// instead has l tell nothing to the client, and its key be known by the one that the
// client was told.
func (a *again) instead(s *session, l *login, up *upstream) {
	a.answer = &bounded{most: maxGreeting}
	l.client, l.whole = a.answer, true
	l.admitted = func() error { return s.auditLoginOf(AuditEvent{Took: time.Since(a.began), Reason: AuditAgain}) }
	l.key = func(pid uint32, secret []byte) {
		s.server.tally.edit(s.entry, func(e *SessionSnapshot) { e.PID, e.Target = pid, up.address })
		if len(a.told.secret) >= minCancelKey {
			s.forget = append(s.forget, s.server.cancels.addAs(a.told.pid, &cancelKey{
				secret: a.told.secret, route: s.route, address: up.address,
				actual: &pgproto3.CancelRequest{ProcessID: pid, SecretKey: bytes.Clone(secret)},
			}))
		}
	}
}

// errOtherProtocol is a database that speaks another protocol than it did.
var errOtherProtocol = errors.New("the database speaks another version of the protocol than before")

// news is what of a login a client is to be told that was told of another one before:
// settings that differ in the end, notices, and what came behind ReadyForQuery.
func news(before, now []byte) ([]byte, error) {
	var fresh []byte
	old, negotiated := statuses(before), ""
	for msg := range eachMessage(before) {
		if msg[0] == 'v' {
			negotiated += string(msg)
		}
	}
	greeting, said := split(now)
	last := statuses(greeting)
	for msg := range eachMessage(greeting) {
		switch msg[0] {
		case 'S': // a Pooler's parameter may come twice
			name := statusName(msg)
			if value := last[name]; value == string(msg) && old[name] != value {
				fresh = append(fresh, msg...)
				old[name] = value
			}
		case 'v':
			rest, same := strings.CutPrefix(negotiated, string(msg))
			if !same {
				return nil, errOtherProtocol
			}
			negotiated = rest
		case 'N':
			fresh = append(fresh, msg...)
		}
	}
	if negotiated != "" {
		return nil, errOtherProtocol
	}
	return append(fresh, said...), nil
}

// statuses are the last ParameterStatus of each name among whole messages.
func statuses(b []byte) map[string]string {
	last := map[string]string{}
	for msg := range eachMessage(b) {
		if msg[0] == 'S' {
			last[statusName(msg)] = string(msg)
		}
	}
	return last
}

// statusName is what a ParameterStatus is about.
func statusName(msg []byte) string {
	name, _, _ := bytes.Cut(msg[headLen:], []byte{0})
	return string(name)
}

// eachMessage goes through the whole messages of b.
func eachMessage(b []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for m := (messages{buf: b}); m.ready(maxLoginBody); {
			if msg, err := m.next(maxLoginBody); err != nil || !yield(msg) {
				return
			}
		}
	}
}

// logInAgain logs the client in that got r over up, which has ended. It returns nil when
// that failed, after telling the client.
func (s *session) logInAgain(ctx context.Context, r *readyLogin, up *upstream) *upstream {
	_, _, state := atRest(up.begun)
	if state == stateShuttingDown {
		up.retire(failOverReason(state))
		s.server.ready.failover(r.route.Address)
	}
	up.raw.Close()
	s.log.Info("ready login ended before the client used it, logging in again", "sqlstate", state, "made", r.made)
	login, stop := context.WithTimeoutCause(ctx, s.server.loginTimeout, s.server.overdue)
	defer stop()
	defer interrupt(login, s.client)()
	s.again = &again{told: r, began: time.Now()}
	fresh, err := s.logIn(login, func() {}) // who leaves is seen later
	if err == nil {
		fresh.boundary = boundary{} // so far it has followed what the client did not get
		err = s.catchUp(fresh, append(r.greeting, r.said...))
	}
	s.again = nil
	if err != nil {
		told, why := s.route.lostAgain(ended(login, err))
		s.client.SetWriteDeadline(time.Now().Add(farewell))
		words, _ := response(&lostInSession{told}, "").Encode(nil)
		s.client.Write(words) // its own error changes nothing any more
		s.ended(reasonDatabaseLost, why)
		return nil
	}
	return fresh
}

// lostAgain makes of err, which ended the login that was to go on for a ready login, what
// the client is told and what the log is: only the client may read whatever the database
// quotes.
func (r *Route) lostAgain(err error) (client, log error) {
	var said *refusal
	if !errors.As(err, &said) {
		return err, err
	}
	lost := func(words, detail, hint string) error {
		return causes.ReadyLoginLost.New(causes.Facts{
			"database": r.Name, "said": words, "told": detail,
			"fix": cmp.Or(hint, "reconnect in a moment; if it persists, see the database's log"),
		}, nil)
	}
	return lost(said.message, cmp.Or(said.told, said.detail), cmp.Or(said.help, said.hint)), lost(said.Error(), said.Detail(), said.Hint())
}

// catchUp tells the client what is new over up.
func (s *session) catchUp(up *upstream, before []byte) error {
	fresh, err := news(before, s.again.answer.buf)
	if err == nil {
		_, err = s.client.Write(fresh)
	}
	if err != nil {
		up.raw.Close()
		return err
	}
	up.boundary.follow(fresh)
	_, err = s.pass(up, true)
	return err
}
