package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"github.com/pgkeyless/pgkeyless/internal/credentials"
)

const (
	// whoAmIPatience bounds the one question to STS. Nobody waits for the answer.
	whoAmIPatience = 20 * time.Second
	// whoAmIAgain is when it is asked again after a failure: where STS cannot be
	// reached, or after a login as somebody else.
	whoAmIAgain = time.Hour
)

// identities knows whose the credentials of each profile are. It is for one
// goroutine, but for of.
type identities struct {
	profiles Profiles
	regions  func(profile string) string // one in which a profile is used

	asked map[string]time.Time // when the question was last put
}

// Profiles are the AWS credentials of the run. *credentials.Profiles are.
type Profiles interface {
	Views() []credentials.View
	Config(ctx context.Context, profile, region string) (aws.Config, error)
}

// due returns the profiles whose credentials have been retrieved since they were
// last asked about.
func (i *identities) due(now time.Time) []string {
	var all []string
	for _, v := range i.profiles.Views() {
		last, asked := i.asked[v.Profile]
		switch {
		case v.Retrieved.IsZero(), i.regions(v.Profile) == "":
		case !asked, now.Sub(last) >= whoAmIAgain && v.Retrieved.After(last):
			all = append(all, v.Profile)
		}
	}
	return all
}

// ask asks STS whose the credentials of profile are. The zero Caller is nobody that
// could be found out.
func (i *identities) ask(ctx context.Context, profile string, now time.Time) credentials.Caller {
	i.asked[profile] = now
	ctx, cancel := context.WithTimeout(ctx, whoAmIPatience)
	defer cancel()
	cfg, err := i.profiles.Config(ctx, profile, i.regions(profile))
	if err != nil {
		return credentials.Caller{}
	}
	if kept, ok := cfg.HTTPClient.(*awshttp.BuildableClient); ok { // one question needs no connection afterwards
		cfg.HTTPClient = kept.WithTransportOptions(func(t *http.Transport) { t.DisableKeepAlives = true })
	}
	caller, _, err := credentials.WhoAmI(ctx, cfg)
	if err != nil {
		return credentials.Caller{}
	}
	return caller
}
