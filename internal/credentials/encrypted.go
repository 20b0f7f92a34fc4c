package credentials

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/pgkeyless/pgkeyless/internal/loopback"
)

// asksOf are the services that pgkeyless calls, as services sections name them. In the
// names of variables they are in capitals.
//
// Source: AWS SDKs and Tools Reference Guide, Service-specific endpoints.
var asksOf = []string{"auto_scaling", "cloudwatch", "dsql", "ecs", "iam", "rds", "secrets_manager", "signin", "ssm", "sso", "sso_oidc", "sts"}

// encrypted refuses endpoints that a request would reach in the clear: it carries a
// session token, and the answer credentials or the token of a session. This machine
// alone is an exception. Endpoints of services that pgkeyless does not call are left
// alone.
func (s *settings) encrypted() error {
	if ignored, _, _ := config.GetIgnoreConfiguredEndpoints(context.Background(), s.aws.ConfigSources); ignored {
		return nil
	}
	fromProfile := true
	for _, service := range append([]string{""}, asksOf...) {
		name := strings.TrimSuffix("AWS_ENDPOINT_URL_"+strings.ToUpper(service), "_")
		text := os.Getenv(name)
		if service == "" && text != "" {
			fromProfile = false // overridden
		}
		if inTheClear(text) {
			return notEncrypted(name+"="+shownURL(text), "in the environment")
		}
	}
	if text := s.profile.Get("endpoint_url"); fromProfile && inTheClear(text) {
		return notEncrypted("endpoint_url = "+shownURL(text), s.profile.Where("endpoint_url"))
	}
	services, _ := s.files.Services(s.profile.Get("services"))
	for _, service := range services.Keys() {
		if text := services.Nested(service)["endpoint_url"]; slices.Contains(asksOf, service) && inTheClear(text) {
			return notEncrypted("endpoint_url = "+shownURL(text), "beneath "+services.Where(service))
		}
	}
	return nil
}

// inTheClear reports whether text is the URL of another machine, without TLS.
func inTheClear(text string) bool {
	u, err := url.Parse(text)
	return err == nil && strings.EqualFold(u.Scheme, "http") && !loopback.Is(u.Hostname())
}

// shownURL is text without a password in it.
func shownURL(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "…"
	}
	return u.Redacted()
}

func notEncrypted(setting, where string) error {
	return &broken{
		what:  fmt.Sprintf("%s would send credentials unencrypted", setting),
		where: where,
		fix:   "write it as https://…: only a loopback address works without TLS",
	}
}
