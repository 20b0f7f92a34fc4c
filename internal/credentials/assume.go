package credentials

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// Assumed is a role that is assumed for one person.
type Assumed struct {
	Role   string // ARN
	Person string // identity, as the person has proved it
}

// SessionName is the person as RoleSessionName and SourceIdentity: CloudTrail names them.
// What these may not hold becomes a hyphen, and the name then ends in some digits of its
// hash, so that nobody can choose an identity with another person's name.
//
// Source: AWS STS API reference, AssumeRole: [\w+=,.@-]*, 2 to 64 characters; a
// SourceIdentity does not begin with "aws:".
func (a Assumed) SessionName() string {
	const most, digits = 64, 16
	fits := func(r rune) rune {
		if r < 0x80 && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_+=,.@-", r)) {
			return r
		}
		return '-'
	}
	name := strings.Map(fits, a.Person)
	if name == a.Person && len(name) >= 2 && len(name) <= most {
		return name
	}
	sum := sha256.Sum256([]byte(a.Person))
	return name[:min(len(name), most-digits-1)] + "-" + hex.EncodeToString(sum[:])[:digits]
}

// ARN is that of the session: whose rights the person uses. "" for what is no role.
func (a Assumed) ARN() string {
	role, err := arn.Parse(a.Role)
	if err != nil {
		return ""
	}
	role.Service = "sts"
	role.Resource = "assumed-role/" + role.Resource[strings.LastIndexByte(role.Resource, '/')+1:] + "/" + a.SessionName()
	return role.String()
}

// Assume returns cfg with credentials of their own for a, which are assumed with those of
// cfg when they are needed, and kept until shortly before they end. Blamed finds their
// errors.
func Assume(cfg aws.Config, a Assumed) aws.Config {
	p := &personal{of: a, profile: profileOf(cfg), source: cfg.Credentials}
	p.role = stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), a.Role, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = a.SessionName()
		o.SourceIdentity = aws.String(a.SessionName())
	})
	kept := &cache{CredentialsCache: newCache(p), profile: p.profile, open: new(atomic.Pointer[question])}
	if source, ok := cfg.Credentials.(*cache); ok {
		kept.open = source.open // what a person is asked for the source
	}
	cfg = cfg.Copy()
	cfg.Credentials = kept
	return cfg
}

// personal assumes the role of one person.
type personal struct {
	of      Assumed
	profile string                  // of source
	source  aws.CredentialsProvider // which it is assumed with
	role    *stscreds.AssumeRoleProvider
}

// Retrieve implements aws.CredentialsProvider.
func (p *personal) Retrieve(ctx context.Context) (aws.Credentials, error) {
	if _, err := p.source.Retrieve(ctx); err != nil { // which may wait for a person
		return aws.Credentials{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, retrieveTimeout)
	defer cancel()
	creds, err := p.role.Retrieve(ctx)
	if err == nil {
		return creds, nil
	}
	cause := CauseOf(err)
	if cause == causes.RoleRefused {
		cause = causes.PersonRoleRefused
	}
	return creds, failure(p.profile, nil, cause, causes.Facts{"role": p.of.Role, "session": p.of.SessionName()}, err)
}

// AdjustExpiresBy implements aws.AdjustExpiresByCredentialsCacheStrategy.
func (p *personal) AdjustExpiresBy(creds aws.Credentials, by time.Duration) (aws.Credentials, error) {
	return renewedEarly(creds, by), nil
}
