package credentials

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/pgkeyless/pgkeyless/internal/awserror"
	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/clock"
)

// RegionHelp says how to name a region.
const RegionHelp = "set --region (or region=… on the target, or AWS_REGION) to the database's region"

// Caller is whom credentials belong to.
type Caller struct{ ARN, Account, UserID string }

// WhoAmI asks STS who cfg's credentials belong to, and what time it is there. It
// needs no IAM permission. The clock may be known although the answer was an
// error: the SDK corrects the time of its own requests, which a token's signature
// does not profit from. Blamed finds errors when the credentials are to blame, a
// causes.Misuse when cfg has no region; others wrap the SDK's, and say in a few
// words what it was.
func WhoAmI(ctx context.Context, cfg aws.Config) (Caller, clock.Reading, error) {
	if cfg.Region == "" {
		return Caller{}, clock.Reading{}, causes.MisuseOf(errors.New("no AWS region for STS"), RegionHelp)
	}
	watch := &dateWatch{client: cfg.HTTPClient}
	if watch.client == nil {
		watch.client = http.DefaultClient
	}
	profile := profileOf(cfg)
	cfg.HTTPClient = watch
	out, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return Caller{}, watch.reading(), Explain(profile, awserror.Brief("sts:GetCallerIdentity", err))
	}
	return Caller{aws.ToString(out.Arn), aws.ToString(out.Account), aws.ToString(out.UserId)}, watch.reading(), nil
}

// dateWatch compares each answer's Date with this machine's clock.
type dateWatch struct {
	client aws.HTTPClient
	mu     sync.Mutex
	seen   clock.Reading // of the last answer that had one
}

func (d *dateWatch) Do(r *http.Request) (*http.Response, error) {
	sent := time.Now()
	answer, err := d.client.Do(r)
	if err != nil {
		return answer, err
	}
	if read := clock.Read(answer.Header, sent, time.Now()); read.Known {
		d.mu.Lock()
		d.seen = read
		d.mu.Unlock()
	}
	return answer, err
}

func (d *dateWatch) reading() clock.Reading {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.seen
}

// Principal is the ARN of the user or role whose policies apply to the caller,
// and for a role its name. Of an assumed role the ARN lacks the path, which STS
// does not tell. "" means callers without policies of their own that could
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
