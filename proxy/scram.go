package proxy

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/xdg-go/scram"
)

// Mechanisms of SCRAM. The second binds the login to the database's certificate, so that
// nobody in between can take part in it.
const (
	scramPlain = "SCRAM-SHA-256"
	scramPlus  = "SCRAM-SHA-256-PLUS"
)

const (
	// maxSASL bounds what a server says in one step: PostgreSQL's takes some 100 bytes.
	maxSASL = 4 << 10
	// maxIterations bounds what it may make this side compute, which no deadline ends: less
	// than a second. PostgreSQL's own default is 4,096.
	maxIterations = 1_000_000
)

// errUnbound is a server that wants a login bound to a certificate that has no binding.
var errUnbound = errors.New("no channel binding for the database's certificate")

// What a server does wrong. None of them repeats what it has said.
var (
	errNoFinal    = errors.New("it lets the user in without proving that it knows the password")
	errTooLong    = errors.New("its message is too long")
	errMalformed  = errors.New("its message is malformed")
	errNonce      = errors.New("its nonce does not extend the client's")
	errIterations = fmt.Errorf("its iteration count is not between 1 and %d", maxIterations)
	errSignature  = errors.New("its signature is wrong: it does not know the password")
	errOutOfTurn  = errors.New("its messages are out of order")
)

// scramLogin is the client's side of one SCRAM-SHA-256 login.
//
// Source: RFC 5802 and RFC 7677; PostgreSQL 18 docs, sasl-authentication.html.
type scramLogin struct {
	mechanism    string
	conversation *scram.ClientConversation
	nonce        string // this side's part
	steps        int    // messages of the server so far
	// answered says that the server's first message was good, and verified that the last
	// was. The conversation itself goes on after a bad one, and then believes an empty
	// signature (xdg-go/scram v1.4.0).
	answered, verified bool
}

// chooseSCRAM is the mechanism of those offered that is taken where the certificate
// allows it, or "".
func chooseSCRAM(offered []string) string {
	for _, m := range []string{scramPlus, scramPlain} {
		if slices.Contains(offered, m) {
			return m
		}
	}
	return ""
}

// newSCRAM begins a login over a connection in state, and returns the first message. It
// is bound to the connection where the server offers that and its certificate has a
// binding. Where the server does not, it learns that this side could have: somebody who
// has taken the offer away is found out.
func newSCRAM(password string, offered []string, state tls.ConnectionState) (*scramLogin, []byte, error) {
	client, err := scram.SHA256.NewClient("", password, "")
	if err != nil { // no SASLprep for this password: PostgreSQL takes it as it is, too
		if client, err = scram.SHA256.NewClientUnprepped("", password, ""); err != nil {
			return nil, nil, err
		}
	}
	client.WithMinIterations(1) // as libpq; scram_iterations may be as low
	s := &scramLogin{mechanism: scramPlain}
	binding, unbound := scram.NewTLSServerEndpointBinding(&state)
	plus := slices.Contains(offered, scramPlus)
	switch {
	case unbound == nil && plus:
		s.mechanism, s.conversation = scramPlus, client.NewConversationWithChannelBinding(binding)
	case unbound == nil:
		s.conversation = client.NewConversationAdvertisingChannelBinding()
	case slices.Contains(offered, scramPlain):
		s.conversation = client.NewConversation()
	default:
		return nil, nil, errUnbound
	}
	first, err := s.conversation.Step("")
	if err != nil {
		return nil, nil, errors.New("SCRAM cannot begin")
	}
	_, s.nonce, _ = strings.Cut(first, ",r=")
	return s, []byte(first), nil
}

// answer answers the server's first message.
func (s *scramLogin) answer(first []byte) ([]byte, error) {
	if s.steps++; s.steps != 1 {
		return nil, errOutOfTurn
	}
	if len(first) > maxSASL {
		return nil, errTooLong
	}
	if err := s.check(string(first)); err != nil {
		return nil, err
	}
	final, err := s.conversation.Step(string(first))
	if err != nil { // which may repeat the message
		return nil, errMalformed
	}
	s.answered = true
	return []byte(final), nil
}

// check looks at the server's first message before anything is computed from it.
func (s *scramLogin) check(first string) error {
	fields := strings.SplitN(first, ",", 4)
	if len(fields) < 3 || !strings.HasPrefix(fields[0], "r=") || !strings.HasPrefix(fields[1], "s=") || !strings.HasPrefix(fields[2], "i=") {
		return errMalformed
	}
	if nonce := fields[0][2:]; !strings.HasPrefix(nonce, s.nonce) || len(nonce) == len(s.nonce) {
		return errNonce
	}
	if n, err := strconv.Atoi(fields[2][2:]); err != nil || n < 1 || n > maxIterations {
		return errIterations
	}
	return nil
}

// verify checks the server's last message, by which it proves that it knows the password.
func (s *scramLogin) verify(final []byte) error {
	if s.steps++; s.steps != 2 || !s.answered {
		return errOutOfTurn
	}
	if len(final) > maxSASL {
		return errTooLong
	}
	if _, err := s.conversation.Step(string(final)); err != nil || !s.conversation.Valid() {
		return errSignature
	}
	s.verified = true
	return nil
}

// proven says that the server knows the password.
func (s *scramLogin) proven() bool { return s.verified }
