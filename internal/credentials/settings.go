package credentials

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"

	"github.com/pgkeyless/pgkeyless/internal/sharedfiles"
)

// settings are the environment and a profile, as they were read once.
type settings struct {
	asked   string // the profile as it was asked for; empty for the environment's choice
	files   sharedfiles.Files
	env     config.EnvConfig
	profile sharedfiles.Section // empty where none is named and there is no default
	used    []sharedfiles.Section
	aws     aws.Config // without credentials
}

// readSettings reads the environment and the shared files for profile. region is
// for profiles that have none.
//
// The SDK's own loader is not used: it refuses files that the AWS CLI reads, and
// says neither where a mistake is nor, for most, what it is. What is read ends up
// in the places where the SDK's clients look for it.
func readSettings(profile, region string) (*settings, error) {
	s := &settings{asked: profile, files: sharedfiles.Read()}
	var err error
	if s.env, err = config.NewEnvConfig(); err != nil {
		return s, &broken{what: err.Error(), fix: "correct or unset that variable"}
	}
	found := false
	if s.profile, found = s.files.Profile(effectiveProfile(profile)); !found && namedProfile(profile) != "" {
		return s, &noProfileError{s.profile.Name, s.files}
	}
	s.used = []sharedfiles.Section{s.profile}
	shared, err := s.shared()
	if err != nil {
		return s, err
	}
	s.aws = aws.Config{
		Region:                  cmp.Or(s.env.Region, shared.Region, region),
		Logger:                  logging.Nop{}, // its warnings would go to stderr past our log
		RetryMode:               cmp.Or(s.env.RetryMode, shared.RetryMode),
		RetryMaxAttempts:        cmp.Or(s.env.RetryMaxAttempts, shared.RetryMaxAttempts),
		DefaultsMode:            cmp.Or(s.env.DefaultsMode, shared.DefaultsMode, aws.DefaultsModeLegacy),
		AppID:                   cmp.Or(s.env.AppID, shared.AppID),
		AccountIDEndpointMode:   aws.AccountIDEndpointModePreferred,
		RestrictFilePermissions: s.env.RestrictFilePermissions,
		APIOptions:              []func(*middleware.Stack) error{wordUnreached},
		ConfigSources:           []any{s.env, shared, asked(profile)},
	}
	s.aws.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenSupported
	s.aws.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenSupported
	if ignored, _, _ := config.GetIgnoreConfiguredEndpoints(context.Background(), s.aws.ConfigSources); !ignored {
		if url := cmp.Or(s.env.BaseEndpoint, shared.BaseEndpoint); url != "" {
			s.aws.BaseEndpoint = aws.String(url)
		}
	}
	if err := s.encrypted(); err != nil {
		return s, err
	}
	roots, err := s.roots()
	if err != nil {
		return s, err
	}
	s.aws.HTTPClient = newHTTPClient(s.leadingTo).WithTransportOptions(func(t *http.Transport) {
		if roots == nil {
			return
		}
		if t.TLSClientConfig == nil {
			t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		t.TLSClientConfig.RootCAs = roots
	})
	return s, nil
}

// asked is the profile that a configuration was asked for with, among its sources.
type asked string

// profileOf returns the name of the profile that cfg's credentials come from, as
// it was asked for.
func profileOf(cfg aws.Config) string {
	for _, source := range cfg.ConfigSources {
		if name, ok := source.(asked); ok {
			return string(name)
		}
	}
	return ""
}

// shared is what the SDK's clients read of the profile, credentials aside.
func (s *settings) shared() (config.SharedConfig, error) {
	p := s.profile
	c := config.SharedConfig{
		Profile:                   p.Name,
		Region:                    p.Get("region"),
		BaseEndpoint:              p.Get("endpoint_url"),
		AppID:                     p.Get("sdk_ua_app_id"),
		EC2IMDSEndpoint:           p.Get("ec2_metadata_service_endpoint"),
		EC2IMDSv1Disabled:         boolean(p.Get("ec2_metadata_v1_disabled")),
		IgnoreConfiguredEndpoints: boolean(p.Get("ignore_configured_endpoint_urls")),
	}
	if on := boolean(p.Get("use_fips_endpoint")); on != nil {
		c.UseFIPSEndpoint = aws.FIPSEndpointStateDisabled
		if *on {
			c.UseFIPSEndpoint = aws.FIPSEndpointStateEnabled
		}
	}
	if on := boolean(p.Get("use_dualstack_endpoint")); on != nil {
		c.UseDualStackEndpoint = aws.DualStackEndpointStateDisabled
		if *on {
			c.UseDualStackEndpoint = aws.DualStackEndpointStateEnabled
		}
	}
	wrong := func(key, want string) error {
		return &broken{what: fmt.Sprintf("%s = %s is none of %s", key, p.Get(key), want), where: p.Where(key), fix: "correct that setting or remove it"}
	}
	if text := p.Get("max_attempts"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			return c, wrong("max_attempts", "the whole numbers")
		}
		c.RetryMaxAttempts = n
	}
	if text := p.Get("retry_mode"); text != "" {
		mode, err := aws.ParseRetryMode(text)
		if err != nil && text != "legacy" { // the AWS CLI's default, which the SDK does not know
			return c, wrong("retry_mode", "legacy, standard, adaptive")
		}
		c.RetryMode = mode
	}
	if text := p.Get("defaults_mode"); text != "" && !c.DefaultsMode.SetFromString(text) {
		return c, wrong("defaults_mode", "auto, standard, in-region, cross-region, mobile, legacy")
	}
	if text := p.Get("ec2_metadata_service_endpoint_mode"); text != "" && c.EC2IMDSEndpointMode.SetFromString(text) != nil {
		return c, wrong("ec2_metadata_service_endpoint_mode", "IPv4, IPv6")
	}
	if name := p.Get("services"); name != "" {
		if services, ok := s.files.Services(name); ok {
			c.Services.ServiceValues = map[string]map[string]string{}
			for _, service := range services.Keys() {
				c.Services.ServiceValues[service] = services.Nested(service)
			}
		}
	}
	return c, nil
}

// boolean reads a setting as the SDK does: nil for neither true nor false.
func boolean(text string) *bool {
	switch {
	case strings.EqualFold(text, "true"):
		return aws.Bool(true)
	case strings.EqualFold(text, "false"):
		return aws.Bool(false)
	}
	return nil
}

// roots are the certificates of AWS_CA_BUNDLE or ca_bundle, nil for the system's.
func (s *settings) roots() (*x509.CertPool, error) {
	path, where := s.env.CustomCABundle, "AWS_CA_BUNDLE="+s.env.CustomCABundle
	fix := "let AWS_CA_BUNDLE name a file of PEM certificates, or unset it"
	if path == "" {
		path, where, fix = s.profile.Get("ca_bundle"), s.profile.Where("ca_bundle"), "let ca_bundle name a file of PEM certificates, or remove it"
	}
	if path == "" {
		return nil, nil
	}
	what, _, _ := strings.Cut(where, " ")
	what, _, _ = strings.Cut(what, "=")
	text, err := os.ReadFile(sharedfiles.Expand(path))
	if err != nil {
		return nil, &broken{what: fmt.Sprintf("the file that %s names cannot be read: %v", what, bare(err)), where: where, fix: fix, err: err}
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(bytes.TrimPrefix(text, []byte("\uFEFF"))) {
		return nil, &broken{what: fmt.Sprintf("the file that %s names holds no PEM certificate", what), where: where, fix: fix}
	}
	return pool, nil
}

// bare is err without the path, which is said beside it.
func bare(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// leadingTo names the setting because of which a client asks host, and says where
// it is made; "" when AWS's own endpoints are asked as usual.
func (s *settings) leadingTo(host string) (setting, where string) {
	host = strings.ToLower(host)
	if setting, where = s.endpointURL(host); setting != "" {
		return setting, where
	}
	for _, kind := range []struct{ variable, key, mark string }{
		{"AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint", "fips"},
		{"AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint", ".api."},
	} {
		if !strings.Contains(host, kind.mark) {
			continue
		}
		if v := os.Getenv(kind.variable); v != "" {
			return kind.variable + "=" + v, "in the environment"
		}
		if where := s.profile.Where(kind.key); where != "" {
			return kind.key + " = " + s.profile.Get(kind.key), strings.TrimPrefix(where, kind.key+" ")
		}
	}
	return "", ""
}

// endpointURL is leadingTo for settings that hold a URL.
func (s *settings) endpointURL(host string) (setting, where string) {
	leads := func(text string) bool { return text != "" && hostOf(text) == host }
	for _, pair := range os.Environ() {
		name, value, _ := strings.Cut(pair, "=")
		if (name == "AWS_ENDPOINT_URL" || strings.HasPrefix(name, "AWS_ENDPOINT_URL_")) && leads(value) {
			return name + "=" + value, "in the environment"
		}
	}
	if url := s.profile.Get("endpoint_url"); leads(url) {
		return "endpoint_url = " + url, strings.TrimPrefix(s.profile.Where("endpoint_url"), "endpoint_url ")
	}
	services, _ := s.files.Services(s.profile.Get("services"))
	for _, service := range services.Keys() {
		if url := services.Nested(service)["endpoint_url"]; leads(url) {
			return "endpoint_url = " + url, "beneath " + services.Where(service)
		}
	}
	return "", ""
}
