package proxy

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/display"
)

// Refusal is a database's no to a login.
type Refusal struct {
	User              string // who was to be logged in
	SQLState, Message string // the database's own words
	// Asked is set instead when the database wants users to log in in another
	// way than by the password of a TokenSource, such as "a SCRAM password".
	Asked string
	// Unserved is set when User was meant for a shared listener and ends in
	// @Unserved, which names no Route: the client may have mistyped one. Served
	// lists their names, for people.
	Unserved, Served string
}

// Explanation is what is known about a Refusal.
type Explanation struct {
	Cause        string // a short name, for logs; empty when nothing is known
	Message      string // for a Refusal that has none
	Detail, Hint string // for the client, where the database gives none
}

// Explainer knows why a database refuses logins. Its methods are called from
// many goroutines at once.
type Explainer interface {
	// Passing says that the same login may succeed a moment later, with another
	// password. It must not block.
	Passing(Refusal) bool
	// Explain may ask others and must return when ctx ends.
	Explain(context.Context, Refusal) Explanation
}

const (
	// explainTimeout is what a client that is refused anyway waits to read why.
	explainTimeout = 3 * time.Second

	// A login is repeated after a pause of retryPause and up to retryJitter more,
	// so that a burst of clients does not come back at once. Together they are
	// below a second, which no client's patience is shorter than.
	retryPause  = 200 * time.Millisecond
	retryJitter = 400 * time.Millisecond
)

// refusal is an ErrorResponse of the database that ends a login, or a request
// that amounts to one. It is no causes.Error: its words are the database's, go to
// the client as they came, and to the log only in part; a row of the table may lend
// it a DETAIL and a HINT.
type refusal struct {
	fields              []byte // the database's own, for the client; empty when the client has them already
	code, message       string
	told, help          string    // DETAIL and HINT of the database
	asked, user         string    // as in Refusal
	unserved            *unserved // behind user
	cause, detail, hint string    // as explained
	open                bool      // what was asked for is known not to be private
	before              []byte    // what the client is still to be sent before fields
	used                Password  // the ordinary password that was refused; zero where there was none
	late                bool      // came after AuthenticationOk, and the client has not been sent fields
	private             bool      // may quote a start-up parameter, whatever its code
}

// Error, Detail and Hint are for the log; the client reads packet. The database
// may quote start-up parameters, which are not for a log, so its words are
// repeated only where they are about user, database and host.
func (r *refusal) Error() string {
	if !r.quotable() {
		return "the database ended the login; only the client got its message"
	}
	return display.Line(r.message)
}

func (r *refusal) SQLState() string { return r.code }
func (r *refusal) Detail() string   { return display.Line(cmp.Or(r.quote(r.told), r.detail)) }
func (r *refusal) Hint() string     { return display.Line(cmp.Or(r.quote(r.help), r.hint)) }
func (r *refusal) Cause() string    { return r.cause }

func (r *refusal) quote(text string) string {
	if !r.quotable() {
		return ""
	}
	return text
}

// quotable: authentication, an unknown database, no right to connect, no room,
// shutting down or starting up.
func (r *refusal) quotable() bool {
	if r.open || r.private {
		return r.open
	}
	switch r.code {
	case "3D000", stateNotPermitted, "53300", stateTooFast, "57P01", "57P02", "57P03", "57P04":
		return true
	}
	return strings.HasPrefix(r.code, "28")
}

// deniesNothing are parameters of a StartupMessage whose values no 42501 quotes, because
// every user may set them. With others it may: `permission denied to set role "…"`.
var deniesNothing = []string{
	"user", "database", "replication", "application_name", "client_encoding", "client_min_messages", "bytea_output", "datestyle",
	"default_transaction_isolation", "default_transaction_read_only", "extra_float_digits", "idle_in_transaction_session_timeout",
	"intervalstyle", "lock_timeout", "search_path", "standard_conforming_strings", "statement_timeout", "timezone", "work_mem",
}

// mayBeDenied says that a 42501 may be about a parameter of m, and quote its value.
func (m startupMessage) mayBeDenied() bool {
	set, err := parseOptions(m.value("options"))
	if err != nil {
		return true
	}
	for _, p := range m.params {
		if p.name != "options" && !strings.HasPrefix(p.name, protocolOption) {
			set = append(set, p)
		}
	}
	return slices.ContainsFunc(set, func(p param) bool {
		return !slices.ContainsFunc(deniesNothing, func(name string) bool { return strings.EqualFold(name, p.name) })
	})
}

// packet is what the client is still to be sent: the database's own fields, and
// behind them what it has not said itself.
func (r *refusal) packet() []byte {
	if r.asked != "" {
		own, _ := response(r, "").Encode(nil)
		return slices.Concat(r.before, own)
	}
	if len(r.fields) == 0 {
		return nil
	}
	p := append([]byte{'E', 0, 0, 0, 0}, r.fields...)
	add := func(field byte, own, ours string) {
		if own == "" && ours != "" {
			p = append(append(append(p, field), display.Line(ours)...), 0)
		}
	}
	add('D', r.told, r.detail)
	add('H', r.help, r.hint)
	p = append(p, 0)
	binary.BigEndian.PutUint32(p[1:], uint32(len(p)-1))
	return slices.Concat(r.before, p)
}

// isFull says that the database had no room for a login, or not for this user's.
func isFull(err error) bool {
	var said *refusal
	return errors.As(err, &said) && said.code == stateTooManyConnections && !said.late
}

// refused makes a refusal from the body of an ErrorResponse that came before
// AuthenticationOk.
func (l *login) refused(body []byte) error {
	fields := errorFields(body)
	r := &refusal{user: l.user, unserved: l.unserved, code: fields['C'], message: fields['M'], told: fields['D'], help: fields['H']}
	if len(body) == 0 || body[len(body)-1] != 0 || len(r.code) != 5 {
		return l.garbled("sent a malformed ErrorResponse")
	}
	r.fields = bytes.Clone(body[:len(body)-1])
	if l.ordinary != nil {
		r.used = l.ordinary.used
	}
	return r
}

// cannot is a refusal by a request that the TokenSource has no answer to.
func (l *login) cannot(request uint32) error {
	asked, ok := authRequests[request]
	if !ok {
		asked = fmt.Sprintf("authentication method %d", request)
	}
	return l.asksFor(asked)
}

// asksFor is a refusal by a request for what there is none of.
func (l *login) asksFor(asked string) error {
	return &refusal{
		user:     l.user,
		unserved: l.unserved,
		code:     stateInvalidLogin,
		message:  fmt.Sprintf("%s asks for %s for user %q", l.route.Name, asked, l.user),
		asked:    asked,
	}
}

// asks puts the refusal as Explainers know it.
func (r *refusal) asks() Refusal {
	asks := Refusal{User: r.user, SQLState: r.code, Asked: r.asked}
	if r.asked == "" {
		asks.Message = r.message
	}
	if r.unserved != nil {
		asks.Unserved, asks.Served = r.unserved.word, r.unserved.served
	}
	return asks
}

// passing says whether err is a refusal after which the login is worth another
// try.
func (r *Route) passing(err error) bool {
	var said *refusal
	return r.Refusals != nil && errors.As(err, &said) && said.early() && r.Refusals.Passing(said.asks())
}

// early: before AuthenticationOk, so that the client has been sent nothing.
func (r *refusal) early() bool { return (len(r.fields) > 0 || r.asked != "") && !r.late }

// explain adds to a refusal what the Route knows of it. Other errors stay as
// they are.
func (r *Route) explain(ctx context.Context, err error) error {
	var said *refusal
	if r.Refusals == nil || !errors.As(err, &said) || !said.early() {
		return err
	}
	said.learn(ctx, r.Refusals)
	return err
}

// learn notes what from knows of r.
func (r *refusal) learn(ctx context.Context, from Explainer) {
	ctx, cancel := context.WithTimeout(ctx, explainTimeout)
	defer cancel()
	e := from.Explain(ctx, r.asks())
	r.cause, r.detail, r.hint = e.Cause, e.Detail, e.Hint
	if r.asked != "" {
		r.message = cmp.Or(e.Message, r.message)
	}
}

// retry repeats a login that was refused with err, if there is time for another one that
// takes as long. If the deadline ends the second attempt, err says more.
func (s *session) retry(ctx context.Context, err error) (*upstream, error) {
	if !s.pauseBeforeRetry(ctx, err) {
		return nil, err
	}
	s.server.tally.retried(s.entry)
	doing := "login refused, trying once more with a new token"
	if isTooFast(err) {
		doing = "database takes no more connections now, trying once more"
	}
	s.log.Info(doing, "sqlstate", state(err), "error", err)
	up, again := s.withRoom(ctx, s.unguessed)
	if errors.Is(ended(ctx, again), causes.LoginOverdue) {
		return nil, err
	}
	return up, again
}

// pauseBeforeRetry waits before a login that was refused with err is repeated. It returns
// false at once when the wait is too long, or when another attempt that takes as long as the
// last would not end before ctx does; and it returns false when ctx ends.
func (s *session) pauseBeforeRetry(ctx context.Context, err error) bool {
	jitter := rand.N(retryJitter)
	most := shortened(ctx, paceMost, s.took) - jitter
	wait, worth := retryPause, retryPause <= most
	if isTooFast(err) {
		wait, worth = s.served.pace.wait(time.Now(), most)
	}
	return worth && sleep(ctx, wait+jitter)
}
