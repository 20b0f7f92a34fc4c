package credentials

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssooidc"
	"github.com/aws/aws-sdk-go-v2/service/ssooidc/types"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/loopback"
)

const (
	ssoClientName  = "pgkeyless"
	ssoClientType  = "public"
	ssoGrantDevice = "urn:ietf:params:oauth:grant-type:device_code"
	ssoScope       = "sso:account:access" // what profiles with an sso-session ask for by default

	ssoPollEvery = 5 * time.Second  // RFC 8628 section 3.2's default interval
	ssoPollLeast = time.Second      // whatever the service says
	ssoLoginMost = 15 * time.Minute // its codes live for 10
)

// ssoLoginAgain is how long after a login that came to nothing none is begun: a
// program that reconnects must not open one page after another.
const ssoLoginAgain = 30 * time.Second

// ssoLogins remembers how the last login to each session ended, so that profiles
// which share one, and found it expired at the same time, share the login too.
// It is used in turn only. The zero value is ready.
type ssoLogins map[string]ssoLoginEnd

type ssoLoginEnd struct {
	at  time.Time
	err error
}

// ssoLogin logs in to s by the device authorization of RFC 8628 and leaves the
// token where the SDKs and the AWS CLI look for it. found is when the session
// was found to have expired: a login since then serves as well. It waits for the
// person until the code expires.
func (p *provider) ssoLogin(ctx context.Context, cfg aws.Config, s ssoSession, found time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, ssoLoginMost)
	defer cancel()
	done, err := p.turn.take(ctx)
	if err != nil {
		return err
	}
	defer done()
	last := (*p.logins)[s.key]
	if last.err == nil && last.at.After(found) {
		return nil
	}
	if last.err != nil && time.Since(last.at) < ssoLoginAgain {
		return last.err
	}
	defer p.open.Store(nil)
	token, err := p.authorizeDevice(ctx, cfg, s)
	if err == nil {
		err = p.tokens.keep(s.key, token, p.warn)
	}
	if *p.logins == nil {
		*p.logins = make(ssoLogins)
	}
	(*p.logins)[s.key] = ssoLoginEnd{time.Now(), err}
	return err
}

func (p *provider) authorizeDevice(ctx context.Context, cfg aws.Config, s ssoSession) (ssoLoginToken, error) {
	client := ssooidc.NewFromConfig(withoutFIPS(cfg, s.region))
	registered, err := client.RegisterClient(ctx, &ssooidc.RegisterClientInput{
		ClientName: aws.String(ssoClientName), ClientType: aws.String(ssoClientType), Scopes: s.scopes,
	})
	if err != nil {
		return ssoLoginToken{}, err
	}
	started, err := client.StartDeviceAuthorization(ctx, &ssooidc.StartDeviceAuthorizationInput{
		ClientId: registered.ClientId, ClientSecret: registered.ClientSecret, StartUrl: aws.String(s.startURL),
	})
	if err != nil {
		return ssoLoginToken{}, err
	}
	page := SSOPage{Profile: s.profile, URL: aws.ToString(started.VerificationUriComplete), Code: aws.ToString(started.UserCode)}
	if err := checkPage(page.URL); err != nil {
		return ssoLoginToken{}, err
	}
	p.open.Store(&question{causes.SSOLoginWaiting, causes.Facts{"url": page.URL, "code": page.Code}})
	p.people.SSOPage(page)

	ctx, cancel := context.WithTimeoutCause(ctx, time.Duration(started.ExpiresIn)*time.Second, errNotFinished)
	defer cancel()
	created, err := pollToken(ctx, client, &ssooidc.CreateTokenInput{
		ClientId: registered.ClientId, ClientSecret: registered.ClientSecret,
		DeviceCode: started.DeviceCode, GrantType: aws.String(ssoGrantDevice),
	}, max(time.Duration(started.Interval)*time.Second, ssoPollLeast))
	if err != nil {
		return ssoLoginToken{}, err
	}
	token := ssoLoginToken{
		StartURL: s.startURL, Region: s.region,
		AccessToken:  aws.ToString(created.AccessToken),
		ExpiresAt:    time.Now().Add(time.Duration(created.ExpiresIn) * time.Second).UTC().Truncate(time.Second),
		RefreshToken: aws.ToString(created.RefreshToken),
	}
	if token.RefreshToken != "" { // the registration serves to refresh, and nothing else
		token.ClientID, token.ClientSecret = aws.ToString(registered.ClientId), aws.ToString(registered.ClientSecret)
		token.RegistrationExpiresAt = time.Unix(registered.ClientSecretExpiresAt, 0).UTC()
	}
	return token, nil
}

var (
	errNotFinished = errors.New("it was not finished in the browser in time")
	errDenied      = errors.New("access was denied in the browser")
)

// checkPage: what is given to a browser is a page on the web. A loopback host may
// do without TLS, as an emulator does.
func checkPage(page string) error {
	u, err := url.Parse(page)
	if err == nil && (u.Scheme == "https" || u.Scheme == "http" && loopback.Is(u.Hostname())) && u.Host != "" {
		return nil
	}
	return errors.New("AWS names a login page that is not one on the web")
}

// pollToken asks for the token until the person has decided or ctx ends.
func pollToken(ctx context.Context, client *ssooidc.Client, in *ssooidc.CreateTokenInput, every time.Duration) (*ssooidc.CreateTokenOutput, error) {
	for {
		select {
		case <-time.After(every):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		out, err := client.CreateToken(ctx, in)
		if err == nil {
			return out, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		_, pending := errors.AsType[*types.AuthorizationPendingException](err)
		_, slow := errors.AsType[*types.SlowDownException](err)
		if slow {
			every += ssoPollEvery // RFC 8628 section 3.5
		}
		_, denied := errors.AsType[*types.AccessDeniedException](err)
		_, expired := errors.AsType[*types.ExpiredTokenException](err)
		switch {
		case denied: // the service gives no reason
			return nil, errDenied
		case expired:
			return nil, errNotFinished
		case !pending && !slow:
			return nil, err
		}
	}
}
