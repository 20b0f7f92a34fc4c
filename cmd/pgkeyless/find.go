package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/pgkeyless/pgkeyless/auth"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/discover"
)

// newFinder asks AWS in cfg's region.
func newFinder(cfg aws.Config, profile string) (*discover.Finder, error) {
	if cfg.Region == "" {
		return nil, &usageError{"no AWS region to look in", "name it with --region, AWS_REGION or the profile's region"}
	}
	return discover.New(discover.Config{
		Region:      cfg.Region,
		RDS:         rds.NewFromConfig(cfg),
		SSM:         ssm.NewFromConfig(cfg),
		ECS:         ecs.NewFromConfig(cfg),
		AutoScaling: autoscaling.NewFromConfig(cfg),
		RDSIn: func(region string) discover.RDS {
			return rds.NewFromConfig(cfg, func(o *rds.Options) { o.Region = region })
		},
		Profile: profile,
		Explain: func(err error) error { return auth.Explain(profile, err) },
	})
}

// misnamedError is an error of a target whose name may be mistyped.
type misnamedError struct {
	error
	target config.Target
}

func (e *misnamedError) Unwrap() error { return e.error }

func (e *misnamedError) Hint() string { return e.target.Hint(hintOf(e.error)) }

func misnamed(t config.Target, err error) error {
	if t.Near == "" {
		return err
	}
	return &misnamedError{err, t}
}

// ask asks AWS which database t.Ref is.
func ask(ctx context.Context, profiles *auth.Profiles, t config.Target) (login, error) {
	if err := oneRegion(t, discover.RegionOf(t.Ref)); err != nil {
		return login{}, err
	}
	cfg, err := profiles.Config(ctx, t.Profile, cmp.Or(discover.RegionOf(t.Ref), t.Region))
	if err != nil {
		return login{}, err
	}
	finder, err := newFinder(cfg, t.Profile)
	if err != nil {
		return login{}, misnamed(t, err)
	}
	db, err := finder.Database(ctx, t.Ref, t.ClusterEndpoint)
	if errors.Is(err, discover.ErrNotFound) {
		return login{}, misnamed(t, err)
	}
	if err != nil {
		return login{}, err
	}
	endpoint, err := auth.ParseEndpoint(db.Address())
	if err != nil {
		return login{}, fmt.Errorf("what AWS says of %s: %w", t.Name, err)
	}
	cfg.Region = db.Region // another one for a global cluster
	l, err := loginAt(endpoint.InRegion(db.Region), cfg, t)
	l.database = db
	return l, err
}
