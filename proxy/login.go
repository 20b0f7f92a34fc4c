package proxy

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

const (
	// maxAuthBody bounds a message before AuthenticationOk; an ErrorResponse
	// or a NoticeResponse is the longest there.
	maxAuthBody = 64 << 10
	// maxAuthMessages bounds how many of them there are: a negotiation, a
	// request for the password, AuthenticationOk, and notices.
	maxAuthMessages = 64
	// maxLoginBody bounds a message between AuthenticationOk and ReadyForQuery.
	maxLoginBody = 1 << 20
	// flushSize is how much of them is gathered for one write.
	flushSize = 32 << 10
)

// authRequests names the ways to log in that an authentication request asks
// for, by its code. Only a clear-text password can be answered with a token.
//
// Source: PostgreSQL 18 docs, protocol-message-formats.html.
var authRequests = map[uint32]string{
	2:  "Kerberos V5",
	5:  "an MD5 password",
	7:  "GSSAPI",
	9:  "SSPI",
	10: "a SCRAM password",
}

const (
	authOK        = 0
	authClearText = 3
)

// login is one login at a database, message by message.
type login struct {
	client   io.Writer
	server   io.ReadWriter // inside verified TLS
	in       messages      // reads from server
	user     string        // database user
	unserved *unserved     // behind it
	route    *Route
	guesses  *guesses // may be nil
	early    bool     // send the token unasked
	opening  opening  // made by run of what the client has sent
	watch    *stopwatch
	// admitted is asked before the client gets ReadyForQuery, which it does not after an
	// error. nil lets it.
	admitted func() error
	// asking is called before the Route's Explainer is asked, which may take a while. nil
	// is not.
	asking func()
	asked  bool  // the database has asked for a clear-text password
	keyed  bool  // it has sent a BackendKeyData
	letIn  bool  // it has sent AuthenticationOk
	guard  bool  // the database has reported that the session only reads
	unsent error // why the last packet could not be written
	// key gets the body of each BackendKeyData before the client gets it.
	key func(pid uint32, secret []byte)
	// last is the fatal ErrorResponse that came after AuthenticationOk.
	last *refusal
	// boundary is where the bytes end that the client got behind ReadyForQuery.
	boundary boundary
	// whole has what is no whole message there held back (holdback.go): begun.
	whole bool
	begun []byte
	// ordinary is not nil for a user with an ordinary password (password.go).
	ordinary *ordinary
}

// run sends the StartupMessage m and returns after ReadyForQuery has reached
// the client, with every byte read behind it. The token is made when the
// database wants it, or before anything is sent if it goes early.
//
// Ahead of AuthenticationOk the client gets NegotiateProtocolVersion only, since
// drivers do not expect anything else there: notices follow AuthenticationOk.
// From AuthenticationOk on it gets every byte as it came, but for what is added to a
// fatal error, and for what a Pooler makes necessary (pooler.go). While an early token
// has not been asked for it gets nothing, and what goes wrong is a wrongGuess
// unless the guess cannot be to blame.
func (l *login) run(ctx context.Context, m startupMessage) error {
	l.watch.enter(StageAuth, time.Now())
	if l.ordinary = l.route.ordinaryFor(l.user); l.ordinary != nil {
		l.early, l.guesses = false, nil // the database chooses the method first
	}
	var err error
	if l.opening, err = l.route.opening(m); err != nil {
		return err
	}
	packet := l.opening.message.encode()
	if l.early {
		password, err := l.password(ctx)
		if err != nil {
			return err
		}
		packet = append(packet, password...)
		clear(password)
	}
	l.write(packet)
	first, err := l.authenticate(ctx)
	if l.method() != "" {
		l.ordinary.source.Rotation(l.user).outcome(err, time.Now())
	}
	if err = l.judge(err); err != nil {
		return err
	}
	l.letIn = true
	return l.forward(ctx, append(l.opening.negotiated, first...))
}

// write sends packet and clears it. A failure shows when what the
// database said before has been read: it may be why.
func (l *login) write(packet []byte) {
	_, l.unsent = l.server.Write(packet)
	clear(packet)
}

// judge notes for the next login how authentication ended, and says of err
// whether the guess may be to blame: PostgreSQL reads the token when it is to
// ask for it, and until then it waits in the socket, but other servers may
// object at once.
func (l *login) judge(err error) error {
	if err == nil || !l.asked {
		l.guesses.note(l.user, l.asked && !l.route.AskFirst && l.route.Pooler == nil)
	}
	if err == nil || !l.early || l.asked {
		return err
	}
	var said *refusal
	if errors.As(err, &said) && (strings.HasPrefix(said.code, "53") || strings.HasPrefix(said.code, "57")) {
		return err // no room, or no service: nothing about this login
	}
	return &wrongGuess{err}
}

// errUnwanted is an early token that would lie where a query is expected.
var errUnwanted = errors.New("no password is wanted")

// authenticate goes on until AuthenticationOk, and returns what the client is
// to be sent first. NegotiateProtocolVersion is held back until then, or until a refusal
// reaches the client: a login that is repeated brings another.
func (l *login) authenticate(ctx context.Context) ([]byte, error) {
	var notices, held []byte
	for range maxAuthMessages {
		msg, err := l.in.next(maxAuthBody)
		if err != nil {
			return nil, l.lost(err)
		}
		body := msg[headLen:]
		switch msg[0] {
		case 'v': // NegotiateProtocolVersion
			held = append(held, msg...)
		case 'N': // NoticeResponse
			notices = append(notices, msg...)
		case 'E': // ErrorResponse
			return nil, refusedAfter(held, l.refused(body))
		case 'R': // authentication request
			if len(body) < 4 {
				return nil, l.unexpected(msg)
			}
			if l.unsent != nil {
				return nil, l.lost(l.unsent)
			}
			if l.ordinary != nil {
				done, err := l.reply(ctx, msg)
				if err != nil {
					return nil, refusedAfter(held, err)
				}
				if done {
					return slices.Concat(held, msg, notices), nil
				}
				continue
			}
			switch request := binary.BigEndian.Uint32(body); {
			case request == authOK && l.early && !l.asked:
				return nil, errUnwanted
			case request == authOK:
				return slices.Concat(held, msg, notices), nil
			case request == authClearText && !l.asked:
				l.asked = true
				if err := l.answer(ctx); err != nil {
					return nil, err
				}
			case request == authClearText:
				return nil, l.unexpected(msg)
			default:
				return nil, refusedAfter(held, l.cannot(request))
			}
		default:
			return nil, l.unexpected(msg)
		}
	}
	return nil, l.garbled("does not finish authentication")
}

// refusedAfter has the client sent held ahead of a refusal.
func refusedAfter(held []byte, err error) error {
	if said, ok := errors.AsType[*refusal](err); ok {
		said.before = held
	}
	return err
}

// answer answers a request for a clear-text password, unless that was done
// early.
func (l *login) answer(ctx context.Context) error {
	if l.early {
		return nil
	}
	packet, err := l.password(ctx)
	if err != nil {
		return err
	}
	l.write(packet)
	return nil
}

// password makes the PasswordMessage with a fresh token.
func (l *login) password(ctx context.Context) ([]byte, error) {
	l.watch.enter(StageCredentials, time.Now())
	token, err := l.route.Tokens.Token(ctx, l.user)
	if err != nil {
		return nil, noToken.New(causes.Facts{"quoted user": strconv.Quote(l.user), "database": l.route.Name}, err)
	}
	l.watch.enter(StageAuth, time.Now())
	words := token.Reveal()
	if words == "" || strings.IndexByte(words, 0) >= 0 {
		return nil, errors.New("the login token is empty or malformed")
	}
	packet, err := (&pgproto3.PasswordMessage{Password: words}).Encode(nil)
	if err != nil {
		return nil, errors.New("the login token is too long")
	}
	return packet, nil
}

// forward passes messages on, beginning with out, until ReadyForQuery has been
// sent. What it had read behind that is sent along.
//
// AuthenticationOk waits for the message behind it, with which PostgreSQL sends it: where
// that says that there is no room for this login, the client has heard nothing, and the
// login may be repeated.
func (l *login) forward(ctx context.Context, out []byte) error {
	for alone := true; ; alone = false {
		if len(out) >= flushSize || !alone && !l.in.ready(maxLoginBody) {
			if err := l.send(out); err != nil {
				return err
			}
			out = out[:0]
		}
		msg, err := l.in.next(maxLoginBody)
		if err != nil {
			if alone && ctx.Err() != nil { // nothing goes to the client any more but why
				return l.lost(err)
			}
			if sent := l.send(out); sent != nil {
				return sent
			}
			if l.last != nil {
				return l.last
			}
			return l.lost(err)
		}
		body := msg[headLen:]
		if msg[0] == 'E' {
			if full := l.refused(body); alone && isFull(full) {
				full.(*refusal).before = out
				return full
			}
			out = append(out, l.complaint(ctx, msg)...)
			continue
		}
		out = append(out, msg...)
		switch msg[0] {
		case 'S': // ParameterStatus
			l.confirm(body)
		case 'K': // BackendKeyData
			l.keyed = true
			if secret := len(body) - 4; secret >= minCancelKey && secret <= maxCancelKey {
				l.key(binary.BigEndian.Uint32(body), body[4:])
			}
		case 'Z': // ReadyForQuery
			if err := l.unconfirmed(); err != nil {
				return err
			}
			if len(l.opening.settings) > 0 {
				out = out[:len(out)-len(msg)]
				told, err := l.setLater(ctx)
				if err != nil {
					return l.failed(out, err)
				}
				out = append(out, told...)
			}
			if l.admitted != nil {
				if err := l.admitted(); err != nil {
					return err
				}
			}
			rest := l.in.rest()
			l.boundary.follow(rest)
			if l.whole {
				rest = l.holdBack(rest)
			}
			return l.send(append(out, rest...))
		}
	}
}

// failed has the client sent out ahead of why its login fails with err.
func (l *login) failed(out []byte, err error) error {
	if said, ok := errors.AsType[*refusal](err); ok {
		said.before = out
		return err
	}
	if sent := l.send(out); sent != nil {
		return sent
	}
	return err
}

// complaint is an ErrorResponse that came after AuthenticationOk, for the client. A fatal
// one says why there is no ReadyForQuery; where the Route knows a DETAIL or a HINT that
// the database does not give, it has these too.
func (l *login) complaint(ctx context.Context, msg []byte) []byte {
	f := errorFields(msg[headLen:])
	if cmp.Or(f['V'], f['S']) != "FATAL" {
		return msg
	}
	l.last = &refusal{user: l.user, code: f['C'], message: f['M'], told: f['D'], help: f['H']}
	l.last.private = l.last.code == stateNotPermitted && l.opening.message.mayBeDenied()
	if l.route.Refusals == nil || msg[len(msg)-1] != 0 {
		return msg
	}
	if l.asking != nil {
		l.asking()
	}
	l.last.learn(ctx, l.route.Refusals)
	if l.last.detail == "" && l.last.hint == "" {
		return msg
	}
	whole := *l.last
	whole.fields = bytes.Clone(msg[headLen : len(msg)-1])
	return whole.packet()
}

// holdBack returns what is whole of rest, which came behind ReadyForQuery, and
// keeps what is not (holdback.go).
func (l *login) holdBack(rest []byte) (whole []byte) {
	whole = rest[:len(rest)-l.boundary.begun(maxHeld)]
	if len(whole) < len(rest) {
		l.begun = slices.Clone(rest[len(whole):])
		l.boundary = boundary{}
		l.boundary.follow(whole)
	}
	return whole
}

func (l *login) send(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	if _, err := l.client.Write(p); err != nil {
		return clientGone(err)
	}
	return nil
}

// unexpected is a message that has no place where it came.
func (l *login) unexpected(msg []byte) error {
	return l.garbled(fmt.Sprintf("sent message %q out of turn during authentication", msg[0]))
}

// garbled says how the database breaks the protocol.
func (l *login) garbled(how string) error {
	return causes.LoginGarbled.New(causes.Facts{"database": l.route.Name, "said": how}, nil)
}

// lost explains an error of reading from or writing to the database.
func (l *login) lost(err error) error {
	if closedByPeer(err) {
		err = errClosed
	}
	return causes.LoginLost.New(causes.Facts{"database": l.route.Name}, err)
}
