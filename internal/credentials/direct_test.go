package credentials

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssooidc"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// noting is an HTTP client that connects to nobody and notes who was asked.
type noting struct{ host string }

func (n *noting) Do(r *http.Request) (*http.Response, error) {
	n.host = r.URL.Host
	return nil, errors.New("nobody is asked")
}

// askedHost is the host that a client of service made from cfg asks.
func askedHost(t *testing.T, service string, cfg aws.Config) string {
	t.Helper()
	var n noting
	cfg.HTTPClient, cfg.Credentials, cfg.RetryMaxAttempts = &n, aws.AnonymousCredentials{}, 1
	var err error
	if service == "STS" {
		_, err = sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	} else {
		_, err = ssooidc.NewFromConfig(cfg).CreateToken(t.Context(), &ssooidc.CreateTokenInput{ClientId: aws.String("c"), ClientSecret: aws.String("s"), GrantType: aws.String("g")})
	}
	if n.host == "" {
		t.Fatalf("%s asked nobody: %v", service, err)
	}
	return n.host
}

// proxy is an HTTP proxy that refuses with status, and notes what it is asked for.
func httpProxy(t *testing.T, status int) (address string, asked func() []string) {
	t.Helper()
	var mu sync.Mutex
	var all []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, r.Method+" "+r.Host)
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String(), func() []string {
		mu.Lock()
		defer mu.Unlock()
		return all
	}
}

// TestSettingsThatLeadNowhere has hosts that do not exist, by DNS and by an HTTP
// proxy's word.
func TestSettingsThatLeadNowhere(t *testing.T) {
	const sections = "[profile fips]\nregion = eu-west-1\nuse_fips_endpoint = true\n" +
		"[profile dual]\nregion = eu-west-1\nuse_dualstack_endpoint = true\n" +
		"[profile url]\nregion = eu-west-1\nendpoint_url = https://aws.example.invalid\n" +
		"[profile services]\nregion = eu-west-1\nservices = ours\n[services ours]\nsts =\n  endpoint_url = https://sts.example.invalid\n"
	for _, tc := range []struct {
		name, profile, variable string
		host, setting, where    string
	}{
		{"FIPS", "", "AWS_USE_FIPS_ENDPOINT=true", "sts-fips.eu-west-1.amazonaws.com", "AWS_USE_FIPS_ENDPOINT=true", "in the environment"},
		{"FIPS of a profile", "fips", "", "sts-fips.eu-west-1.amazonaws.com", "use_fips_endpoint = true", "in [profile fips] of CONFIG, line 3"},
		{"dual-stack", "", "AWS_USE_DUALSTACK_ENDPOINT=true", "sts.eu-west-1.api.aws", "AWS_USE_DUALSTACK_ENDPOINT=true", "in the environment"},
		{"dual-stack of a profile", "dual", "", "sts.eu-west-1.api.aws", "use_dualstack_endpoint = true", "in [profile dual] of CONFIG, line 6"},
		{"a URL", "", "AWS_ENDPOINT_URL=https://aws.example.invalid", "aws.example.invalid", "AWS_ENDPOINT_URL=https://aws.example.invalid", "in the environment"},
		{"a service's URL", "", "AWS_ENDPOINT_URL_STS=https://sts.example.invalid", "sts.example.invalid", "AWS_ENDPOINT_URL_STS=https://sts.example.invalid", "in the environment"},
		{"a URL of a profile", "url", "", "aws.example.invalid", "endpoint_url = https://aws.example.invalid", "in [profile url] of CONFIG, line 9"},
		{"a service's URL of a profile", "services", "", "sts.example.invalid", "endpoint_url = https://sts.example.invalid", "beneath sts in [services ours] of CONFIG, line 14"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			home := awsFiles(t, sections, "")
			if name, value, ok := strings.Cut(tc.variable, "="); ok {
				t.Setenv(name, value)
			}
			where := strings.Replace(tc.where, "CONFIG", filepath.Join(home, ".aws", "config"), 1)
			s, err := readSettings(tc.profile, "eu-west-1")
			if err != nil {
				t.Fatal(err)
			}
			if got := askedHost(t, "STS", s.aws); got != tc.host {
				t.Fatalf("asked %s, want %s", got, tc.host)
			}
			for _, said := range []error{
				dialled(t, s, tc.host),
				proxied(t, s, tc.host),
			} {
				var certain interface{ RetryableError() bool }
				if !errors.Is(said, causes.EndpointSetting) || !errors.As(said, &certain) || certain.RetryableError() {
					t.Fatalf("%v, want one that blames the setting and is not retried", said)
				}
				if want := tc.setting + ", " + where + ", leads to " + tc.host; !strings.Contains(causes.Detail(said), want) {
					t.Errorf("detail %q, want %q", causes.Detail(said), want)
				}
				if want := "remove " + tc.setting + " (" + where + ")"; !strings.Contains(causes.Hint(said), want) {
					t.Errorf("hint %q, want %q", causes.Hint(said), want)
				}
			}
			if setting, _ := s.leadingTo("ssm.eu-west-1.amazonaws.com"); setting != "" {
				t.Errorf("%s is blamed for AWS's own host", setting)
			}
		})
	}
}

// dialled is the error when DNS does not know host.
func dialled(t *testing.T, s *settings, host string) error {
	t.Helper()
	client := newHTTPClient(s.leadingTo)
	var dial func(context.Context, string, string) (net.Conn, error)
	client.WithTransportOptions(func(tr *http.Transport) {
		tr.DialContext = func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}}
		}
		explainDial(tr, s.leadingTo)
		dial = tr.DialContext
	})
	_, err := dial(t.Context(), "tcp", net.JoinHostPort(host, "443"))
	return err
}

// proxied is the error when an HTTP proxy finds no host.
func proxied(t *testing.T, s *settings, host string) error {
	t.Helper()
	address, _ := httpProxy(t, http.StatusServiceUnavailable)
	transport := newHTTPClient(s.leadingTo).GetTransport()
	transport.Proxy = func(*http.Request) (*url.URL, error) { return url.Parse("http://" + address) }
	_, err := (&http.Client{Transport: transport}).Get("https://" + host)
	return err
}

// TestCredentialsOfTheMachineAvoidTheProxy asks each source that must stay on the
// machine or its link with all proxy variables set. net/http reads them once, so
// the test is run in a process of its own.
func TestCredentialsOfTheMachineAvoidTheProxy(t *testing.T) {
	if os.Getenv("PGKEYLESS_TEST_DIRECT") == "" {
		address, asked := httpProxy(t, http.StatusBadGateway)
		env := append(os.Environ(), "PGKEYLESS_TEST_DIRECT=1", "NO_PROXY=", "no_proxy=", "AWS_EC2_METADATA_SERVICE_ENDPOINT=")
		for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"} {
			env = append(env, name+"=http://"+address)
		}
		again(t, env)
		if got := asked(); fmt.Sprint(got) != "[CONNECT sts.eu-west-1.amazonaws.com:443]" {
			t.Errorf("the proxy was asked for %q, want STS alone", got)
		}
		return
	}
	for _, tc := range []struct{ name, variable, value string }{
		{"instance", "AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://169.254.169.254"},
		{"instance in IPv6", "AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://[fd00:ec2::254]"},
		{"task", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/keys"},
		{"pod", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials"},
		{"pod in IPv6", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://[fd00:ec2::23]/v1/credentials"},
		{"a name with TLS", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "https://keys.example.invalid/"},
	} {
		awsFiles(t, "", "")
		os.Unsetenv("AWS_EC2_METADATA_DISABLED")
		t.Setenv(tc.variable, tc.value)
		cfg, err := new(Profiles).Config(t.Context(), "", "eu-west-1")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		if _, err := cfg.Credentials.Retrieve(ctx); err == nil {
			t.Errorf("%s: there are credentials", tc.name)
		}
		cancel()
	}
	awsFiles(t, "", "")
	t.Setenv("AWS_ACCESS_KEY_ID", exampleKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", exampleSecret)
	cfg, err := new(Profiles).Config(t.Context(), "", "eu-west-1")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := WhoAmI(t.Context(), withAttempts(cfg, 1)); err == nil {
		t.Error("STS answers")
	}
}

func withAttempts(cfg aws.Config, n int) aws.Config {
	cfg.RetryMaxAttempts = n
	return cfg
}

// again runs the test in a process with env.
func again(t *testing.T, env []string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.count=1")
	cmd.Env = env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
