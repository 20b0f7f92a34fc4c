package proxy

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// PasswordSource has the ordinary passwords of some database users. They log in with
// these, and with no token of a TokenSource. Its methods are called from many goroutines
// at once.
type PasswordSource interface {
	// Has reports whether user logs in with an ordinary password. It must not block.
	Has(user string) bool
	// Password returns that of user. It is asked once per login, when the database has
	// asked. The answer is not stored beyond the login, and never logged.
	Password(ctx context.Context, user string) (Password, error)
	// Renew returns the password of user after the database has refused refused, read
	// anew. A password beside an error is what is known from before.
	Renew(ctx context.Context, user string, refused Password) (Password, error)
	// Rotation is what logins as user share, the same as long as they share a password. It
	// is asked for users that the source Has.
	Rotation(user string) *Rotation
}

// authMD5 is the request for an MD5 password; those of SCRAM are in claim.go.
//
// Source: PostgreSQL 18 docs, protocol-message-formats.html.
const authMD5 = 5

// The methods that trust the server, for logs; those of SCRAM are in scram.go.
const (
	methodMD5   = "MD5"
	methodClear = "clear text"
)

// ordinary is what a login with an ordinary password keeps.
type ordinary struct {
	source PasswordSource
	used   Password // that the database was answered with
	// method is how, for logs: "" until the database has asked.
	method string
	scram  *scramLogin // nil unless the method is one of SCRAM's
}

// ordinaryFor is for a login as user, nil where that takes a token.
func (r *Route) ordinaryFor(user string) *ordinary {
	if r.Passwords == nil || !r.Passwords.Has(user) {
		return nil
	}
	return &ordinary{source: r.Passwords}
}

// AskedToken is Refusal.Asked where a user with an ordinary password is asked for a token.
const AskedToken = "an IAM token"

// asked notes how l, which has ended with err, was asked for its password. It warns where
// an earlier login as the same user proved by SCRAM that the server knows the password, and
// l did not.
func (s *served) asked(l *login, err error, log *slog.Logger) {
	method := l.method()
	switch {
	case err != nil && method != methodMD5 && method != methodClear: // it proves nothing
	case strings.HasPrefix(method, scramPlain):
		s.byScram.Store(l.user, true)
	case method != "":
		if _, known := s.byScram.Load(l.user); known {
			log.Warn("the database asks for this user's password in a weaker way than before", "user", l.user, "before", "SCRAM", "method", method)
		}
	}
}

// method is how an ordinary password was asked for; "" where it was not.
func (l *login) method() string {
	if l.ordinary == nil {
		return ""
	}
	return l.ordinary.method
}

// What ends a login before its password is sent.
var (
	errPlain = errors.New("the connection to the database is not verified TLS")
	errWords = errors.New("the password is empty, too long or malformed")
)

// unusable is a login that cannot be answered with the password, for err.
func (l *login) unusable(err error) error {
	return noPassword.New(causes.Facts{"quoted user": strconv.Quote(l.user), "database": l.route.Name}, err)
}

// reply answers an authentication request with the user's ordinary password. done says
// that the database has let the user in, and, by SCRAM, has proved that it knows the
// password. Each method is answered once.
func (l *login) reply(ctx context.Context, msg []byte) (done bool, err error) {
	o, body := l.ordinary, msg[headLen:]
	request, data := binary.BigEndian.Uint32(body), body[4:]
	fresh := o.method == ""
	switch {
	case request == authOK && o.scram != nil && !o.scram.proven():
		return false, l.unproven(errNoFinal)
	case request == authOK:
		return true, nil
	case request == authClearText && fresh && l.route.ClearTextToken:
		return false, l.asksFor(AskedToken)
	case request == authClearText && fresh:
		return false, l.answerClearText(ctx)
	case request == authMD5 && fresh && len(data) == md5Salt:
		return false, l.answerMD5(ctx, data)
	case request == authSASL && fresh:
		return false, l.beginSCRAM(ctx, data)
	case request == authSASLContinue && o.scram != nil:
		final, err := o.scram.answer(data)
		if err != nil {
			return false, l.unproven(err)
		}
		l.writeMessage(&pgproto3.SASLResponse{Data: final})
		return false, nil
	case request == authSASLFinal && o.scram != nil:
		if err := o.scram.verify(data); err != nil {
			return false, l.unproven(err)
		}
		return false, nil
	}
	if _, known := authRequests[request]; known && fresh && request != authMD5 {
		return false, l.cannot(request)
	}
	return false, l.unexpected(msg)
}

func (l *login) answerClearText(ctx context.Context) error {
	words, _, err := l.ordinaryPassword(ctx, methodClear)
	if err == nil {
		l.writeMessage(&pgproto3.PasswordMessage{Password: words})
	}
	return err
}

// md5Salt is how long the salt of an MD5 request is.
const md5Salt = 4

// answerMD5 is for servers that store passwords so. The hash hides little, so that it
// goes inside verified TLS only, as the others do.
//
// Source: PostgreSQL 18 docs, protocol-flow.html, AuthenticationMD5Password.
func (l *login) answerMD5(ctx context.Context, salt []byte) error {
	words, _, err := l.ordinaryPassword(ctx, methodMD5)
	if err != nil {
		return err
	}
	inner := md5.Sum([]byte(words + l.user))
	outer := md5.Sum(append(hex.AppendEncode(nil, inner[:]), salt...))
	l.writeMessage(&pgproto3.PasswordMessage{Password: "md5" + hex.EncodeToString(outer[:])})
	return nil
}

// beginSCRAM takes the best of the mechanisms that the database offers.
func (l *login) beginSCRAM(ctx context.Context, list []byte) error {
	offered := mechanisms(list)
	choice := chooseSCRAM(offered)
	if choice == "" {
		return l.asksFor("a SASL login without SCRAM-SHA-256")
	}
	words, state, err := l.ordinaryPassword(ctx, choice)
	if err != nil {
		return err
	}
	s, first, err := newSCRAM(words, offered, state)
	if errors.Is(err, errUnbound) {
		return l.asksFor("SCRAM-SHA-256-PLUS, for which its certificate has no channel binding,")
	}
	if err != nil {
		return l.unusable(err)
	}
	l.ordinary.scram, l.ordinary.method = s, s.mechanism
	l.writeMessage(&pgproto3.SASLInitialResponse{AuthMechanism: s.mechanism, Data: first})
	return nil
}

// mechanisms reads a list of words that each end in NUL, and the list in an empty one.
func mechanisms(list []byte) []string {
	var all []string
	for {
		word, rest, ok := bytes.Cut(list, []byte{0})
		if !ok || len(word) == 0 {
			return all
		}
		all, list = append(all, string(word)), rest
	}
}

// ordinaryPassword gets the password for a method, and says how the connection to the
// database is secured. There is none for one that is not.
func (l *login) ordinaryPassword(ctx context.Context, method string) (words string, state tls.ConnectionState, err error) {
	secured, ok := l.server.(interface{ ConnectionState() tls.ConnectionState })
	if !ok {
		return "", state, l.unusable(errPlain)
	}
	if state = secured.ConnectionState(); len(state.VerifiedChains) == 0 {
		return "", state, l.unusable(errPlain)
	}
	l.watch.enter(StageCredentials, time.Now())
	o := l.ordinary
	o.method = method
	password, err := o.source.Password(ctx, l.user)
	if err != nil {
		return "", state, l.unusable(err)
	}
	l.watch.enter(StageAuth, time.Now())
	o.used = password
	words = password.Reveal()
	if words == "" || len(words) > maxAuthBody || strings.IndexByte(words, 0) >= 0 {
		return "", state, l.unusable(errWords)
	}
	return words, state, nil
}

// writeMessage sends m, and clears the packet.
func (l *login) writeMessage(m pgproto3.FrontendMessage) {
	packet, err := m.Encode(nil)
	if err != nil { // a bound of the codec, far above ours
		l.unsent = err
		return
	}
	l.write(packet)
}

// unproven is a server that does not do its part of SCRAM.
func (l *login) unproven(why error) error {
	return causes.ServerUnproven.New(causes.Facts{"database": l.route.Name, "said": why.Error()}, nil)
}
