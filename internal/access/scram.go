package access

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"errors"
	"log/slog"
	"strconv"

	"github.com/xdg-go/scram"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/proxy"
)

// Mechanisms of SCRAM: the second is bound to the TLS connection, so that nobody in
// between can take part.
const (
	scramPlain = "SCRAM-SHA-256"
	scramPlus  = "SCRAM-SHA-256-PLUS"
)

// Passwords is a proxy.Proof by SCRAM-SHA-256, and inside TLS by -PLUS, against the
// verifiers of a file. It is safe for concurrent use.
type Passwords struct {
	file *watchedFile[userlist]
}

// NewPasswords reads an auth-file, which is read again when it changes. What is wrong
// with it is a causes.Misuse.
func NewPasswords(path string, log *slog.Logger) (*Passwords, error) {
	f, err := newWatchedFile(path, maxUserlist, log, func(text []byte) (userlist, error) { return parseUserlist(string(text), path) })
	if err != nil {
		return nil, err
	}
	return &Passwords{file: f}, nil
}

// Prove implements proxy.Proof. A user that does not exist goes through the same
// exchange, and fails at its end as a wrong password does.
func (p *Passwords) Prove(_ context.Context, c *proxy.Claim) (identity string, err error) {
	list := p.file.now()
	known, exists := list.users[c.User]
	if !exists {
		known = list.mocked(c.User)
	}
	if err := converse(c, c.Shown, scramServer(known)); err != nil || !exists {
		return "", p.wrong(c.User, err)
	}
	return c.User, nil
}

// exchange is SASL with a client. *proxy.Claim is one.
type exchange interface {
	SASL(mechanisms ...string) (chosen string, response []byte, err error)
	Challenge(data []byte) ([]byte, error)
	Conclude(data []byte) error
}

// converse is the exchange with a client that was shown a certificate, or nil. An error
// that is not the client's doing is kept; its own is a scramError.
func converse(c exchange, shown *x509.Certificate, server *scram.Server) error {
	binding, bound := endPoint(shown)
	mechanisms, conversation := []string{scramPlain}, server.NewConversation()
	if bound {
		mechanisms, conversation = []string{scramPlus, scramPlain}, server.NewConversationWithChannelBinding(binding)
	}
	chosen, first, err := c.SASL(mechanisms...)
	if err != nil {
		return err
	}
	if chosen == scramPlus {
		conversation = server.NewConversationWithChannelBindingRequired(binding)
	}
	challenge, err := conversation.Step(string(first))
	if err != nil {
		return &scramError{err}
	}
	final, err := c.Challenge([]byte(challenge))
	if err != nil {
		return err
	}
	last, err := conversation.Step(string(final))
	if err != nil || !conversation.Valid() {
		return &scramError{err}
	}
	return c.Conclude([]byte(last))
}

// scramError is an exchange that the client did not bring to a good end.
type scramError struct{ error }

// wrong is the error for a client with a wrong password, or none: err is why the
// exchange ended.
func (p *Passwords) wrong(user string, err error) error {
	if err != nil && !errors.As(err, new(*scramError)) {
		return err
	}
	return causes.PasswordWrong.New(causes.Facts{"quoted user": strconv.Quote(user), "auth": "scram", "file": p.file.path}, nil)
}

// mocked are credentials of a user that does not exist: the same for each attempt, at
// each replica that has the same file, and nobody's.
func (l userlist) mocked(user string) scram.StoredCredentials {
	derive := func(what string) []byte {
		h := hmac.New(sha256.New, l.mock)
		h.Write([]byte(what + "\x00" + user))
		return h.Sum(nil)
	}
	return scram.StoredCredentials{
		KeyFactors: scram.KeyFactors{Salt: string(derive("salt")[:16]), Iters: l.iterations},
		StoredKey:  derive("stored"),
		ServerKey:  derive("server"),
	}
}

// endPoint is the channel binding tls-server-end-point of a certificate.
//
// Source: RFC 5929, section 4.1.
func endPoint(shown *x509.Certificate) (scram.ChannelBinding, bool) {
	if shown == nil {
		return scram.ChannelBinding{}, false
	}
	var hash []byte
	switch shown.SignatureAlgorithm {
	case x509.SHA384WithRSA, x509.ECDSAWithSHA384, x509.SHA384WithRSAPSS:
		sum := sha512.Sum384(shown.Raw)
		hash = sum[:]
	case x509.SHA512WithRSA, x509.ECDSAWithSHA512, x509.SHA512WithRSAPSS:
		sum := sha512.Sum512(shown.Raw)
		hash = sum[:]
	case x509.PureEd25519: // which names no hash
		return scram.ChannelBinding{}, false
	default: // SHA-256, and what is weaker
		sum := sha256.Sum256(shown.Raw)
		hash = sum[:]
	}
	return scram.ChannelBinding{Type: scram.ChannelBindingTLSServerEndpoint, Data: hash}, true
}
