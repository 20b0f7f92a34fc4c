package awsapi

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pgkeyless/pgkeyless/internal/loopback"
	"github.com/pgkeyless/pgkeyless/internal/partition"
)

// endpoint is where a service is called.
type endpoint struct {
	region        string // of the configuration
	signingRegion string
	host          string // AWS's own
	override      string // a URL in its place
	fips, dual    bool
}

// endpoint reads cfg as the SDK's clients do.
func (s Service) endpoint(cfg aws.Config) endpoint {
	e := endpoint{
		region: cfg.Region, signingRegion: cfg.Region, override: s.override(cfg),
		fips: useFIPS(cfg), dual: useDualStack(cfg),
	}
	in := partition.Of(cfg.Region)
	if global, ok := s.Global[in]; ok {
		e.signingRegion, e.host = global.Region, global.choose(e.fips, e.dual)
		return e
	}
	prefix, domain := s.Prefix, partition.Domain(cfg.Region)
	dual := s.DualStackOnly || e.dual && !slices.Contains(s.UsualDualStack, in)
	if dual {
		domain = partition.DualStackDomain(cfg.Region)
	}
	if e.fips && !(in == partition.GovCloud && s.GovCloudFIPS.usual(dual)) {
		prefix += "-fips"
	}
	e.host = prefix + "." + cfg.Region + "." + domain
	return e
}

func (g Global) choose(fips, dual bool) string {
	switch {
	case fips && dual:
		return g.FIPSStack
	case fips:
		return g.FIPS
	case dual:
		return g.DualStack
	}
	return g.Host
}

// url is the endpoint's, without a slash at its end.
func (e endpoint) url() (*url.URL, error) {
	if !partition.MayBeRegion(e.region) { // it is a part of the host's name
		return nil, fmt.Errorf("%q is no region", e.region)
	}
	if e.override == "" {
		return &url.URL{Scheme: "https", Host: e.host}, nil
	}
	switch {
	case e.fips:
		return nil, errors.New("FIPS endpoints and an endpoint URL of your own exclude each other")
	case e.dual:
		return nil, errors.New("dual-stack endpoints and an endpoint URL of your own exclude each other")
	}
	u, err := url.Parse(e.override)
	switch {
	case err != nil || u.Host == "":
		return nil, errors.New("the endpoint URL that is configured is not a URL")
	case u.Scheme != "https" && !loopback.Is(u.Hostname()): // credentials is the first to say so
		return nil, fmt.Errorf("endpoint URL %s would send credentials unencrypted: write it as https://…", u.Redacted())
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimSuffix(u.Path, "/")}, nil
}

// The parts of the SDK's configuration that the clients of its modules ask for.
type (
	endpointSource interface {
		GetServiceBaseEndpoint(ctx context.Context, sdkID string) (string, bool, error)
	}
	ignoringSource interface {
		GetIgnoreConfiguredEndpoints(context.Context) (bool, bool, error)
	}
	fipsSource interface {
		GetUseFIPSEndpoint(context.Context) (aws.FIPSEndpointState, bool, error)
	}
	dualStackSource interface {
		GetUseDualStackEndpoint(context.Context) (aws.DualStackEndpointState, bool, error)
	}
)

// endpointVariable is that of all services. One of a service has the service's ID behind it.
const endpointVariable = "AWS_ENDPOINT_URL"

// override is what the environment or the shared configuration has in place of the
// service's own endpoint, or "". In order: the service's variable, that of all services,
// the services section of the profile, the profile's endpoint_url.
//
// Source: AWS SDKs and Tools Reference Guide, Service-specific endpoints.
func (s Service) override(cfg aws.Config) string {
	forAll := aws.ToString(cfg.BaseEndpoint)
	ignore, found := first(cfg, func(from ignoringSource) (bool, bool, error) {
		return from.GetIgnoreConfiguredEndpoints(context.Background())
	})
	if found && ignore {
		return forAll
	}
	_, allSet := os.LookupEnv(endpointVariable)
	_, ownSet := os.LookupEnv(endpointVariable + "_" + strings.ToUpper(strings.ReplaceAll(s.ID, " ", "_")))
	if allSet && !ownSet {
		return forAll
	}
	own, found := first(cfg, func(from endpointSource) (string, bool, error) {
		return from.GetServiceBaseEndpoint(context.Background(), s.ID)
	})
	if found {
		return own
	}
	return forAll
}

func useFIPS(cfg aws.Config) bool {
	state, _ := first(cfg, func(from fipsSource) (aws.FIPSEndpointState, bool, error) {
		return from.GetUseFIPSEndpoint(context.Background())
	})
	return state == aws.FIPSEndpointStateEnabled
}

func useDualStack(cfg aws.Config) bool {
	state, _ := first(cfg, func(from dualStackSource) (aws.DualStackEndpointState, bool, error) {
		return from.GetUseDualStackEndpoint(context.Background())
	})
	return state == aws.DualStackEndpointStateEnabled
}

// first is what the first of cfg's sources has that has it.
func first[Source, Value any](cfg aws.Config, get func(Source) (Value, bool, error)) (value Value, found bool) {
	for _, source := range cfg.ConfigSources {
		from, ok := source.(Source)
		if !ok {
			continue
		}
		if value, found, err := get(from); err == nil && found {
			return value, true
		}
	}
	return value, false
}
