package targets

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pgkeyless/pgkeyless/auth"
	"github.com/pgkeyless/pgkeyless/internal/awsapi/autoscaling"
	"github.com/pgkeyless/pgkeyless/internal/awsapi/ecs"
	"github.com/pgkeyless/pgkeyless/internal/awsapi/rds"
	"github.com/pgkeyless/pgkeyless/internal/awsapi/ssm"
	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/credentials"
	"github.com/pgkeyless/pgkeyless/internal/discover"
	"github.com/pgkeyless/pgkeyless/internal/dsql"
)

// NewFinder asks AWS in cfg's region.
func NewFinder(cfg aws.Config, profile string) (*discover.Finder, error) {
	if cfg.Region == "" {
		return nil, causes.Misuse("no AWS region to look in", "name it with --region, AWS_REGION or the profile's region")
	}
	return discover.New(discover.Config{
		Region:      cfg.Region,
		RDS:         rds.New(cfg),
		SSM:         ssm.New(cfg),
		ECS:         ecs.New(cfg),
		AutoScaling: autoscaling.New(cfg),
		DSQL:        dsql.New(cfg),
		RDSIn: func(region string) discover.RDS {
			there := cfg
			there.Region = region
			return rds.New(there)
		},
		Profile: profile,
		Explain: func(err error) error { return credentials.Explain(profile, err) },
	})
}

// misnamedError is an error of a target whose name may be mistyped. Its hint goes
// before that of the error beneath, where a causes.Error would let that win.
type misnamedError struct {
	error
	target config.Target
}

func (e *misnamedError) Unwrap() error { return e.error }

func (e *misnamedError) Hint() string { return e.target.Hint(causes.Hint(e.error)) }

func misnamed(t config.Target, err error) error {
	if t.Near == "" {
		return err
	}
	return &misnamedError{err, t}
}

// ask asks AWS which database t.Ref is.
func ask(ctx context.Context, profiles *credentials.Profiles, t config.Target) (Login, error) {
	if err := oneRegion(t, discover.RegionOf(t.Ref)); err != nil {
		return Login{}, err
	}
	cfg, err := profiles.Config(ctx, t.Profile, cmp.Or(discover.RegionOf(t.Ref), t.Region))
	if err != nil {
		return Login{}, err
	}
	finder, err := NewFinder(cfg, t.Profile)
	if err != nil {
		return Login{}, misnamed(t, err)
	}
	db, err := finder.Database(ctx, t.Ref, t.ClusterEndpoint)
	if errors.Is(err, discover.ErrNotFound) {
		return Login{}, misnamed(t, err)
	}
	if err != nil {
		return Login{}, err
	}
	endpoint, err := auth.ParseEndpoint(db.Address())
	if err != nil {
		return Login{}, fmt.Errorf("what AWS says of %s: %w", t.Name, err)
	}
	cfg.Region = db.Region // another one for a global cluster
	endpoint.Gateway = db.Express
	l, err := loginAt(endpoint.InRegion(db.Region), cfg, t)
	l.Database = db
	return l, err
}
