package evidence

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// Caller is whom credentials belong to.
type Caller struct{ ARN, Account, UserID string }

// Clock compares two clocks by the Date of an answer, to the second. The zero
// value says that there was no answer.
type Clock struct {
	Known bool
	Ahead time.Duration // of this machine's before AWS's; below zero: behind
}

// Tolerance is how far a clock may be off: a signature dated further away is
// refused, and so is a token.
//
// Source: IAM user guide, reference_sigv-troubleshooting.html.
const Tolerance = 5 * time.Minute

// Identify asks STS who cfg's credentials belong to, and what time it is there.
// The clock may be known although the answer was an error: the SDK corrects the
// time of its own requests, which a token's signature does not profit from. An
// error wraps the SDK's, and says in a few words what it was.
func Identify(ctx context.Context, cfg aws.Config) (Caller, Clock, error) {
	watch := &dateWatch{client: cfg.HTTPClient}
	if watch.client == nil {
		watch.client = http.DefaultClient
	}
	cfg.HTTPClient = watch
	out, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return Caller{}, watch.clock(), &callError{"sts:GetCallerIdentity", err}
	}
	return Caller{aws.ToString(out.Arn), aws.ToString(out.Account), aws.ToString(out.UserId)}, watch.clock(), nil
}

// dateWatch compares each answer's Date with this machine's clock.
type dateWatch struct {
	client aws.HTTPClient
	mu     sync.Mutex
	seen   Clock
}

func (d *dateWatch) Do(r *http.Request) (*http.Response, error) {
	sent := time.Now()
	answer, err := d.client.Do(r)
	if err != nil || answer.Header.Get("Age") != "" { // of a cache
		return answer, err
	}
	if date, bad := http.ParseTime(answer.Header.Get("Date")); bad == nil {
		// Answered half-way between, and half a second after the one it names.
		now := sent.Add(time.Since(sent) / 2)
		d.mu.Lock()
		d.seen = Clock{true, now.Sub(date.Add(time.Second / 2))}
		d.mu.Unlock()
	}
	return answer, err
}

func (d *dateWatch) clock() Clock {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.seen
}

// Principal is the ARN of the user or role whose policies apply to the caller,
// and for a role its name. Of an assumed role the ARN lacks the path, which STS
// does not tell. "" stands for callers without policies of their own that could
// be simulated: the root user, federated users.
func (c Caller) Principal() (principal, role string) {
	a, err := arn.Parse(c.ARN)
	if err != nil {
		return "", ""
	}
	kind, rest, _ := strings.Cut(a.Resource, "/")
	switch {
	case a.Service == "iam" && kind == "user":
		return c.ARN, ""
	case a.Service == "sts" && kind == "assumed-role":
		role, _, _ = strings.Cut(rest, "/")
		a.Service, a.Resource = "iam", "role/"+role
		return a.String(), role
	}
	return "", ""
}

// Name is that of the IAM user or of the role session, with which the ids of
// the caller's SSM sessions begin. "" when there is none.
func (c Caller) Name() string {
	i := strings.LastIndexByte(c.ARN, '/')
	if i < 0 { // the root user
		return ""
	}
	return c.ARN[i+1:]
}
