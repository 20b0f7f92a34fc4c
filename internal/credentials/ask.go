package credentials

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// People says how a person is asked for what no file can give. A nil function
// is nobody to ask. The functions are called by one goroutine at a time, however
// many profiles there are: questions on a terminal do not mix.
type People struct {
	// MFACode returns the code that an MFA device shows, six digits. It must
	// return when ctx ends.
	MFACode func(ctx context.Context, q MFAQuestion) (string, error)
	// SSOPage shows the page on which an SSO login is finished. It must not wait
	// for that.
	SSOPage func(p SSOPage)
	// Terminal reports whether a credential_process may ask on the terminal now.
	Terminal func() bool
}

// MFAQuestion says what a code is for.
type MFAQuestion struct {
	Profile string // whose role is assumed
	Device  string // the serial number or ARN
}

// SSOPage is a login that waits for a person.
type SSOPage struct {
	Profile string
	URL     string // to open in a browser; holds the code already
	Code    string // the page must show the same
}

// askTimeout is how long an answer is waited for. Codes change every 30 s, and
// people have to find their phone first.
const askTimeout = 5 * time.Minute

// turn lets one question be asked at a time. The zero value is not ready.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

// take waits for its turn, and returns the function that ends it.
func (t turn) take(ctx context.Context) (func(), error) {
	select {
	case t <- struct{}{}:
		return func() { <-t }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// question is what a retrieval waits for a person to answer.
type question struct {
	cause causes.Cause
	facts causes.Facts
}

// cache is a credentials cache that tells clients which do not wait for a
// person what they would be waiting for. The retrieval goes on without them.
type cache struct {
	*aws.CredentialsCache
	profile string
	source  *provider                 // nil in tests
	open    *atomic.Pointer[question] // nil: nobody is being asked
}

// Retrieve implements aws.CredentialsProvider. Blamed finds its errors.
func (c *cache) Retrieve(ctx context.Context) (aws.Credentials, error) {
	if c.source != nil && c.source.replaced() {
		c.Invalidate()
	}
	creds, err := c.CredentialsCache.Retrieve(ctx)
	if err == nil || ctx.Err() == nil {
		return creds, err
	}
	if q := c.open.Load(); q != nil {
		return creds, failure(c.profile, nil, q.cause, q.facts, err)
	}
	if _, ok := Blamed(err); !ok {
		err = failure(c.profile, nil, causes.CredentialsSlow, nil, err)
	}
	return creds, err
}

// ErrNobodyToAsk is what a MFACode returns when nobody can be asked now.
var ErrNobodyToAsk = errors.New("nobody can be asked for an MFA code")

// errNoCode is a failure to get an MFA code from a person.
type errNoCode struct{ error }

func (e *errNoCode) Unwrap() error { return e.error }

// mfaCode asks for a code, in turn, and checks its form. AWS wants six digits.
func (p *provider) mfaCode(ctx context.Context, device string) (string, error) {
	done, err := p.turn.take(ctx)
	if err != nil {
		return "", &errNoCode{err}
	}
	defer done()
	p.open.Store(&question{causes.MFAWaiting, causes.Facts{"device": device}})
	defer p.open.Store(nil)
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	code, err := p.people.MFACode(ctx, MFAQuestion{Profile: effectiveProfile(p.profile), Device: device})
	if err != nil {
		return "", &errNoCode{err}
	}
	if code = strings.TrimSpace(code); !sixDigits(code) {
		return "", &errNoCode{errNotACode}
	}
	return code, nil
}

var errNotACode = errors.New("the answer is not a six-digit code")

func sixDigits(s string) bool {
	if len(s) != 6 {
		return false
	}
	for _, r := range s {
		if r < '0' || r > '9' {
			return false
		}
	}
	return true
}
