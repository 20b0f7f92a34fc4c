package credentials

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/testenv"
)

// awsFiles gives the test an AWS home of its own: these shared files, no other
// settings of the surroundings, no instance metadata.
const (
	exampleKey    = "AKIAIOSFODNN7EXAMPLE"
	exampleSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

func awsFiles(t *testing.T, config, keys string) (home string) {
	t.Helper()
	for _, pair := range os.Environ() {
		if name, value, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, value) // restored after the test
			os.Unsetenv(name)
		}
	}
	if runtime.GOOS == "windows" { // whose shell prints single quotes
		config = strings.NewReplacer("echo '", "echo ", "}'", "}").Replace(config)
	}
	home = t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	testenv.Write(t, filepath.Join(home, ".aws", "config"), config)
	testenv.Write(t, filepath.Join(home, ".aws", "credentials"), keys)
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(home, ".aws", "config"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(home, ".aws", "credentials"))
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	return home
}

// ssoToken writes what `aws sso login` leaves behind, ending at the given time.
func ssoToken(t *testing.T, home, key string, ends time.Time, more map[string]string) {
	t.Helper()
	sum := sha1.Sum([]byte(key))
	content := map[string]string{
		"accessToken": "sso-access-token", "expiresAt": ends.UTC().Format(time.RFC3339),
		"region": "eu-west-1", "startUrl": "https://example.awsapps.com/start",
	}
	for k, v := range more {
		content[k] = v
	}
	text, err := json.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	testenv.Write(t, filepath.Join(home, ".aws", "sso", "cache", hex.EncodeToString(sum[:])+".json"), string(text))
}

// loginToken writes what `aws login` leaves behind, ending at the given time.
func loginToken(t *testing.T, home, session string, ends time.Time) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]any{
		"accessToken": map[string]string{
			"accessKeyId": exampleKey, "secretAccessKey": exampleSecret, "sessionToken": "session",
			"accountId": "123456789012", "expiresAt": ends.UTC().Format(time.RFC3339),
		},
		"tokenType": "urn:aws:params:oauth:token-type:access_token_sigv4", "clientId": "arn:aws:signin:::devtools/same-device",
		"refreshToken": "refresh", "identityToken": "identity",
		"dpopKey": string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})),
	})
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(session))
	testenv.Write(t, filepath.Join(home, ".aws", "login", "cache", hex.EncodeToString(sum[:])+".json"), string(text))
}

// answer serves one canned answer as the service of the environment variable.
func answer(t *testing.T, variable string, status int, header map[string]string, body string) *atomic.Int64 {
	t.Helper()
	var calls atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		for k, v := range header {
			w.Header().Set(k, v)
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(server.Close)
	t.Setenv(variable, server.URL)
	return &calls
}

func stsError(code, message string) string {
	return `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>` +
		code + `</Code><Message>` + message + `</Message></Error><RequestId>r-1</RequestId></ErrorResponse>`
}

// closedPort is the URL of a server that has gone.
func closedPort(t *testing.T) string {
	server := httptest.NewServer(nil)
	server.Close()
	return server.URL
}

const (
	rolesConfig = `
[default]
region = eu-west-1
[profile empty]
region = eu-west-1
[profile role]
region = eu-west-1
role_arn = arn:aws:iam::123456789012:role/developer
source_profile = keys
[profile mfa]
role_arn = arn:aws:iam::123456789012:role/developer
source_profile = keys
mfa_serial = arn:aws:iam::123456789012:mfa/ada
[profile legacy sso]
sso_start_url = https://example.awsapps.com/start
sso_region = eu-west-1
sso_account_id = 123456789012
sso_role_name = developer
[profile sso]
sso_session = company
sso_account_id = 123456789012
sso_role_name = developer
[profile over-sso]
region = eu-west-1
role_arn = arn:aws:iam::123456789012:role/developer
source_profile = legacy sso
[profile over-session]
region = eu-west-1
role_arn = arn:aws:iam::123456789012:role/developer
source_profile = sso
[profile over-machine]
region = eu-west-1
role_arn = arn:aws:iam::123456789012:role/developer
credential_source = Ec2InstanceMetadata
[profile login]
region = eu-west-1
login_session = arn:aws:iam::123456789012:user/ada
[profile dangling]
role_arn = arn:aws:iam::123456789012:role/developer
source_profile = nobody
[profile half]
sso_start_url = https://example.awsapps.com/start
[sso-session company]
sso_region = eu-west-1
sso_start_url = https://example.awsapps.com/start
[profile leaky]
credential_process = echo hunter2
[profile half process]
credential_process = echo '{"Version":1,"SecretAccessKey":"hunter2"}'
[profile failing]
credential_process = exit 3
`
	keysFile = `
[keys]
aws_access_key_id = ` + exampleKey + `
aws_secret_access_key = ` + exampleSecret + `
[temporary]
aws_access_key_id = ` + exampleKey + `
aws_secret_access_key = ` + exampleSecret + `
aws_session_token = session
`
)

// TestCredentialFailuresSayWhatToDo runs the SDK into each failure, so that a new
// version of it that words or types them differently is noticed here.
func TestCredentialFailuresSayWhatToDo(t *testing.T) {
	const keepRunning = ", then reconnect; the proxy may keep running"
	hourAgo := time.Now().Add(-time.Hour)
	for _, tc := range []struct {
		name, profile string
		setup         func(t *testing.T, home string)
		message, hint string
		detail        string // part of it
	}{
		{name: "nothing anywhere",
			message: "no usable AWS credentials: none found, and no profile is named", hint: "name a profile",
			detail: "looked at the environment (AWS_ACCESS_KEY_ID), profile \"default\" of "},
		{name: "instance metadata turned off", message: "none found", hint: "name a profile",
			detail: "a container's role; pgkeyless did not look for an instance's role (AWS_EC2_METADATA_DISABLED)"},
		{name: "a named profile without keys", profile: "empty",
			message: `from profile "empty": none found`, hint: "name a profile", detail: `looked at profile "empty" of `},
		{name: "the default profile, named", profile: "default", message: `from profile "default": none found`, hint: "name a profile"},
		{name: "AWS_PROFILE without keys", setup: func(t *testing.T, _ string) { t.Setenv("AWS_PROFILE", "empty") },
			message: `from profile "empty": none found`, hint: "name a profile"},
		{name: "metadata without role", setup: func(t *testing.T, _ string) {
			os.Unsetenv("AWS_EC2_METADATA_DISABLED")
			answer(t, "AWS_EC2_METADATA_SERVICE_ENDPOINT", 404, nil, "")
		}, message: "none found", hint: "name a profile", detail: "a container's role and an instance's role (EC2 metadata)"},
		{name: "no such profile", profile: "nobody",
			message: `from profile "nobody": there is no such profile`, hint: "aws configure list-profiles"},
		{name: "no such AWS_PROFILE", setup: func(t *testing.T, _ string) { t.Setenv("AWS_PROFILE", "nobody") },
			message: `from profile "nobody": there is no such profile`, hint: "aws configure list-profiles"},
		{name: "half a key", profile: "keys", setup: func(t *testing.T, home string) {
			testenv.Write(t, filepath.Join(home, ".aws", "credentials"), "[keys]\naws_access_key_id = x\n")
		}, message: `profile "keys" has aws_access_key_id without aws_secret_access_key`, hint: "add aws_secret_access_key there", detail: "aws_access_key_id in [keys] of /"},
		{name: "web identity without its file", setup: func(t *testing.T, home string) {
			t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", filepath.Join(home, "none"))
			t.Setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/developer")
		}, message: "the file that AWS_WEB_IDENTITY_TOKEN_FILE names cannot be read", hint: "let AWS_WEB_IDENTITY_TOKEN_FILE name", detail: "AWS_WEB_IDENTITY_TOKEN_FILE=/"},
		{name: "container without its token's file", setup: func(t *testing.T, home string) {
			t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/")
			t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", filepath.Join(home, "none"))
		}, message: "the file that AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names cannot be read", hint: "let that variable name", detail: "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=/"},
		{name: "source profile missing", profile: "dangling",
			message: `source_profile "nobody" of profile "dangling" does not exist`, hint: "correct the name", detail: "source_profile in [profile dangling] of /"},
		{name: "half an SSO profile", profile: "half",
			message: `profile "half" uses SSO and has no sso_region`, hint: "add sso_region", detail: "[profile half] of /"},
		{name: "MFA", profile: "mfa",
			message: "the role requires an MFA code", hint: "--mfa-command"},
		{name: "legacy SSO, never logged in", profile: "legacy sso",
			message: `from profile "legacy sso": the SSO session has expired or does not exist`,
			hint:    "run `aws sso login --profile 'legacy sso'`" + keepRunning},
		{name: "legacy SSO, expired", profile: "legacy sso", setup: func(t *testing.T, home string) {
			ssoToken(t, home, "https://example.awsapps.com/start", hourAgo, nil)
		}, message: "the SSO session has expired", hint: "aws sso login --profile 'legacy sso'", detail: "SSO session has expired or is invalid"},
		{name: "SSO beneath a role", profile: "over-sso",
			message: `from profile "over-sso": the SSO session has expired`, hint: "aws sso login --profile 'legacy sso'"},
		{name: "SSO session, never logged in", profile: "sso",
			message: "the SSO session has expired", hint: "run `aws sso login --profile sso`" + keepRunning},
		{name: "SSO session, expired", profile: "sso", setup: func(t *testing.T, home string) {
			ssoToken(t, home, "company", hourAgo, nil)
		}, message: "the SSO session has expired", hint: "aws sso login --profile sso", detail: "cached SSO token is expired"},
		{name: "SSO session, not to be refreshed", profile: "sso", setup: func(t *testing.T, home string) {
			ssoToken(t, home, "company", hourAgo, map[string]string{"clientId": "c", "clientSecret": "s", "refreshToken": "r"})
			answer(t, "AWS_ENDPOINT_URL_SSO_OIDC", 400, map[string]string{"x-amzn-ErrorType": "InvalidGrantException"}, `{"error":"invalid_grant"}`)
		}, message: "the SSO session has expired", hint: "aws sso login --profile sso"},
		{name: "SSO session, refresh out of reach", profile: "sso", setup: func(t *testing.T, home string) {
			ssoToken(t, home, "company", hourAgo, map[string]string{"clientId": "c", "clientSecret": "s", "refreshToken": "r"})
			t.Setenv("AWS_ENDPOINT_URL_SSO_OIDC", closedPort(t))
		}, message: "cannot be reached", hint: "HTTPS_PROXY"},
		{name: "SSO session, ended on the server", profile: "sso", setup: func(t *testing.T, home string) {
			ssoToken(t, home, "company", time.Now().Add(time.Hour), nil)
			answer(t, "AWS_ENDPOINT_URL_SSO", 401, map[string]string{"x-amzn-ErrorType": "UnauthorizedException"}, `{"message":"Session token not found or invalid"}`)
		}, message: "the SSO session has expired", hint: "aws sso login --profile sso", detail: "not found or invalid"},
		{name: "SSO session beneath a role, ended on the server", profile: "over-session", setup: func(t *testing.T, home string) {
			ssoToken(t, home, "company", time.Now().Add(time.Hour), nil)
			answer(t, "AWS_ENDPOINT_URL_SSO", 401, map[string]string{"x-amzn-ErrorType": "UnauthorizedException"}, `{"message":"Session token not found or invalid"}`)
		}, message: `from profile "over-session": the SSO session has expired`, hint: "aws sso login --profile sso"},
		{name: "role from a machine without one", profile: "over-machine", setup: func(t *testing.T, home string) {
			os.Unsetenv("AWS_EC2_METADATA_DISABLED")
			answer(t, "AWS_EC2_METADATA_SERVICE_ENDPOINT", 404, nil, "")
		}, message: "none found", hint: "name a profile", detail: `profile "over-machine" uses Ec2InstanceMetadata`},
		{name: "SSO role not given", profile: "sso", setup: func(t *testing.T, home string) {
			ssoToken(t, home, "company", time.Now().Add(time.Hour), nil)
			answer(t, "AWS_ENDPOINT_URL_SSO", 403, map[string]string{"x-amzn-ErrorType": "ForbiddenException"}, `{"message":"No access"}`)
		}, message: "gives no access", hint: "sso_role_name", detail: "No access"},
		{name: "aws login, never", profile: "login",
			message: "the login session has expired", hint: "run `aws login --profile login`" + keepRunning},
		{name: "aws login, ended", profile: "login", setup: func(t *testing.T, home string) {
			loginToken(t, home, "arn:aws:iam::123456789012:user/ada", hourAgo)
			answer(t, "AWS_ENDPOINT_URL_SIGNIN", 403, map[string]string{"x-amzn-ErrorType": "AccessDeniedException"}, `{"error":"TOKEN_EXPIRED","message":"ended"}`)
		}, message: "the login session has expired", hint: "aws login --profile login", detail: "login session has expired"},
		{name: "aws login, out of reach", profile: "login", setup: func(t *testing.T, home string) {
			loginToken(t, home, "arn:aws:iam::123456789012:user/ada", hourAgo)
			t.Setenv("AWS_ENDPOINT_URL_SIGNIN", closedPort(t))
		}, message: "cannot be reached", hint: "HTTPS_PROXY"},
		{name: "role refused", profile: "role", setup: func(t *testing.T, _ string) {
			answer(t, "AWS_ENDPOINT_URL_STS", 403, nil, stsError("AccessDenied", "User: arn:aws:iam::123456789012:user/ada is not authorized to perform: sts:AssumeRole"))
		}, message: `from profile "role": the role cannot be assumed`, hint: "sts:AssumeRole", detail: "user/ada is not authorized"},
		{name: "role with dead keys", profile: "role", setup: func(t *testing.T, _ string) {
			answer(t, "AWS_ENDPOINT_URL_STS", 403, nil, stsError("InvalidClientTokenId", "The security token included in the request is invalid."))
		}, message: "AWS does not know these keys", hint: "renew the keys"},
		{name: "role and a wrong clock", profile: "role", setup: func(t *testing.T, _ string) {
			answer(t, "AWS_ENDPOINT_URL_STS", 403, nil, stsError("SignatureDoesNotMatch", "Signature expired\nX-Amz-Security-Token: hunter2"))
		}, message: "rejects their signature", hint: "clock", detail: "Signature expired"},
		{name: "role out of reach", profile: "role", setup: func(t *testing.T, _ string) {
			t.Setenv("AWS_ENDPOINT_URL_STS", closedPort(t))
		}, message: "cannot be reached", hint: "HTTPS_PROXY"},
		{name: "credential_process prints a secret", profile: "leaky",
			message: "credential_process returned none", hint: "by hand", detail: "not JSON"},
		{name: "credential_process prints half", profile: "half process",
			message: "credential_process returned none", hint: "by hand", detail: "its JSON has no AccessKeyId"},
		{name: "credential_process fails", profile: "failing",
			message: "credential_process returned none", hint: "by hand", detail: "exit status 3"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			home := awsFiles(t, rolesConfig, keysFile)
			if tc.setup != nil {
				tc.setup(t, home)
			}
			err := retrieve(t, tc.profile)
			known, ok := Blamed(err)
			if !ok {
				t.Fatalf("error %v (%T), want one that blames credentials", err, err)
			}
			if !strings.Contains(known.Error(), tc.message) {
				t.Errorf("error %q, want one with %q (%q)", known, tc.message, known.Detail())
			}
			if !strings.Contains(known.Hint(), tc.hint) {
				t.Errorf("hint %q, want one with %q", known.Hint(), tc.hint)
			}
			if !strings.Contains(known.Detail(), tc.detail) {
				t.Errorf("detail %q, want one with %q", known.Detail(), tc.detail)
			}
			if got := known.SQLState(); got != "28000" {
				t.Errorf("SQLSTATE %s, want 28000", got)
			}
			said := known.Error() + known.Detail() + known.Hint()
			if strings.Contains(said, "hunter2") || strings.Contains(said, exampleSecret) || strings.Contains(said, "sso-access-token") {
				t.Errorf("a secret is in %q", said)
			}
		})
	}
}

// retrieve loads a profile and retrieves its credentials, and returns the error
// of either.
func retrieve(t *testing.T, profile string) error {
	t.Helper()
	var profiles Profiles
	cfg, err := profiles.Config(t.Context(), profile, "")
	if err != nil {
		return err
	}
	_, err = cfg.Credentials.Retrieve(t.Context())
	return err
}

func TestIdentity(t *testing.T) {
	const arn = "arn:aws:sts::123456789012:assumed-role/developer/ada"
	ok := `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Arn>` + arn +
		`</Arn><UserId>u</UserId><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`
	for _, tc := range []struct {
		name, profile, region string
		environment           bool // temporary keys exported
		status                int
		body                  string
		want                  string // in the error
		hint                  string
	}{
		{name: "known", profile: "keys", region: "eu-west-1", status: 200, body: ok},
		{name: "no region", profile: "keys", status: 200, body: ok, want: "no AWS region", hint: "--region"},
		{name: "expired keys in the environment", region: "eu-west-1", environment: true, status: 403,
			body: stsError("ExpiredToken", "The security token included in the request is expired"),
			want: "no usable AWS credentials in the environment: they have expired", hint: "unset AWS_ACCESS_KEY_ID"},
		{name: "a profile goes before the environment", profile: "temporary", region: "eu-west-1", environment: true, status: 403,
			body: stsError("ExpiredToken", "The security token included in the request is expired"),
			want: `from profile "temporary": they have expired`, hint: "keys of the profile"},
		{name: "something else", profile: "keys", region: "eu-west-1", status: 400,
			body: stsError("Nonsense", "what?"), want: "Nonsense"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			awsFiles(t, rolesConfig, keysFile)
			if tc.environment {
				t.Setenv("AWS_ACCESS_KEY_ID", exampleKey)
				t.Setenv("AWS_SECRET_ACCESS_KEY", exampleSecret)
				t.Setenv("AWS_SESSION_TOKEN", "session")
				t.Setenv("AWS_PROFILE", "empty")
			}
			answer(t, "AWS_ENDPOINT_URL_STS", tc.status, nil, tc.body)
			cfg, err := new(Profiles).Config(t.Context(), tc.profile, tc.region)
			if err != nil {
				t.Fatal(err)
			}
			caller, _, err := WhoAmI(t.Context(), cfg)
			if got := caller.ARN; tc.want == "" {
				if err != nil || got != arn {
					t.Fatalf("got %q, %v; want %q", got, err, arn)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("error %v, want one with %q", err, tc.want)
			}
			var hinted interface{ Hint() string }
			if tc.hint != "" && (!errors.As(err, &hinted) || !strings.Contains(hinted.Hint(), tc.hint)) {
				t.Errorf("%v has no hint with %q", err, tc.hint)
			}
		})
	}
}

func TestExplainLeavesOtherErrorsAlone(t *testing.T) {
	for _, err := range []error{nil, errors.New("boom"), context.Canceled, &os.PathError{Op: "open", Path: "x", Err: os.ErrNotExist}} {
		if got := Explain("dev", err); got != err {
			t.Errorf("Explain(%v) = %v", err, got)
		}
	}
}

// TestCredentialsReachOtherCalls: the explanation survives the wrapping by an API
// client whose call wanted the credentials.
func TestCredentialsReachOtherCalls(t *testing.T) {
	awsFiles(t, rolesConfig, keysFile)
	cfg, err := new(Profiles).Config(t.Context(), "legacy sso", "eu-west-1")
	if err != nil {
		t.Fatal(err)
	}
	_, err = sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	var explained interface {
		SQLState() string
		Hint() string
	}
	if !errors.As(err, &explained) || !strings.Contains(explained.Hint(), "aws sso login") {
		t.Fatalf("error %v does not say how to log in", err)
	}
	if got := Explain("legacy sso", err); !errors.Is(got, causes.SSOExpired) {
		t.Errorf("explained as %v", got)
	}
}

func TestProfileIsLoadedOnceAndSharedByAll(t *testing.T) {
	awsFiles(t, rolesConfig, keysFile)
	var profiles Profiles
	first, err := profiles.Config(t.Context(), "role", "us-east-1")
	if err != nil {
		t.Fatal(err)
	}
	second, err := profiles.Config(t.Context(), "role", "")
	if err != nil {
		t.Fatal(err)
	}
	if first.Credentials != second.Credentials {
		t.Error("two configs of one profile have two credentials caches")
	}
	if first.Region != "us-east-1" || second.Region != "eu-west-1" {
		t.Errorf("regions %s and %s, want us-east-1 and the profile's eu-west-1", first.Region, second.Region)
	}
	other, err := profiles.Config(t.Context(), "keys", "us-east-1")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := profiles.Config(t.Context(), "keys", ""); err != nil || again.Region != "" {
		t.Errorf("the region of one target became the profile's: %q, %v", again.Region, err)
	}
	if other.Credentials == first.Credentials {
		t.Error("two profiles share a credentials cache")
	}
}

const assumed = `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>` +
	`<AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>%s</Expiration>` +
	`</Credentials><AssumedRoleUser><Arn>a</Arn><AssumedRoleId>r</AssumedRoleId></AssumedRoleUser></AssumeRoleResult></AssumeRoleResponse>`

func TestBurstOfLoginsRetrievesOnce(t *testing.T) {
	awsFiles(t, rolesConfig, keysFile)
	calls := answer(t, "AWS_ENDPOINT_URL_STS", 200, nil, fmt.Sprintf(assumed, time.Now().Add(time.Hour).UTC().Format(time.RFC3339)))
	var profiles Profiles
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			cfg, err := profiles.Config(t.Context(), "role", "")
			if err != nil {
				t.Error(err)
				return
			}
			creds, err := cfg.Credentials.Retrieve(t.Context())
			if err != nil || creds.AccessKeyID != "ASIA" {
				t.Errorf("got key %q, %v", creds.AccessKeyID, err)
			}
		})
	}
	wg.Wait()
	if got := calls.Load(); got != 1 {
		t.Errorf("%d calls of AssumeRole, want 1", got)
	}
}

func TestFailureIsNotRemembered(t *testing.T) {
	home := awsFiles(t, rolesConfig, keysFile)
	var profiles Profiles
	cfg, err := profiles.Config(t.Context(), "sso", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cfg.Credentials.Retrieve(t.Context()); err == nil {
		t.Fatal("credentials without a login")
	}
	// The user runs `aws sso login` while we run.
	ssoToken(t, home, "company", time.Now().Add(time.Hour), nil)
	ends := time.Now().Add(time.Hour)
	answerSSO := fmt.Sprintf(`{"roleCredentials":{"accessKeyId":"ASIA","secretAccessKey":"s","sessionToken":"t","expiration":%d}}`, ends.UnixMilli())
	answer(t, "AWS_ENDPOINT_URL_SSO", 200, nil, answerSSO)
	creds, err := cfg.Credentials.Retrieve(t.Context())
	if err != nil || creds.AccessKeyID != "ASIA" {
		t.Fatalf("after the login: key %q, %v", creds.AccessKeyID, err)
	}
	if want := ends.Add(-renewBefore).Truncate(time.Millisecond); !creds.Expires.Equal(want) {
		t.Errorf("renewed at %v, want %v, a minute before the end", creds.Expires, want)
	}
	// So is a profile that did not exist at first.
	if _, err := profiles.Config(t.Context(), "later", ""); err == nil {
		t.Fatal("a profile that does not exist")
	}
	testenv.Write(t, filepath.Join(home, ".aws", "config"), rolesConfig+"\n[profile later]\nregion = eu-west-1\n")
	if _, err := profiles.Config(t.Context(), "later", ""); err != nil {
		t.Fatal(err)
	}
}

func TestReplacedKeysAreSeen(t *testing.T) {
	home := awsFiles(t, "", keysFile)
	synctest.Test(t, func(t *testing.T) {
		cfg, err := new(Profiles).Config(t.Context(), "temporary", "eu-west-1")
		if err != nil {
			t.Fatal(err)
		}
		key := func() string {
			creds, err := cfg.Credentials.Retrieve(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return creds.AccessKeyID
		}
		if got := key(); got != exampleKey {
			t.Fatalf("key %s, want %s", got, exampleKey)
		}
		testenv.Write(t, filepath.Join(home, ".aws", "credentials"), strings.ReplaceAll(keysFile, exampleKey, "ASIANEW"))
		if got := key(); got != "ASIANEW" {
			t.Errorf("key %s after the file was replaced, want ASIANEW", got)
		}
	})
}

func TestShortCredentialsServeToTheirLastMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tc := range []struct{ life, want time.Duration }{
			{time.Hour, time.Hour - renewBefore},
			{renewBefore + time.Second, time.Second},
			{renewBefore, renewBefore - lastMoment},
			{20 * time.Second, 15 * time.Second},
			{lastMoment, 0},
		} {
			creds := aws.Credentials{CanExpire: true, Expires: time.Now().Add(tc.life)}
			got, err := new(provider).AdjustExpiresBy(creds, -renewBefore)
			if err != nil || !got.Expires.Equal(time.Now().Add(tc.want)) {
				t.Errorf("credentials for %v serve for %v, %v; want %v", tc.life, time.Until(got.Expires), err, tc.want)
			}
		}
	})
}

func TestStaleEnvironmentIsNoticed(t *testing.T) {
	awsFiles(t, rolesConfig, keysFile)
	if got := StaleEnvironment(""); got != "" {
		t.Errorf("without keys: %q", got)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", exampleKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", exampleSecret)
	if got := StaleEnvironment(""); got != "" {
		t.Errorf("with lasting keys: %q", got)
	}
	t.Setenv("AWS_SESSION_TOKEN", "session")
	if got := StaleEnvironment(""); !strings.Contains(got, "cannot be renewed") {
		t.Errorf("with temporary keys: %q", got)
	}
	t.Setenv("AWS_PROFILE", "sso")
	if got := StaleEnvironment(""); !strings.Contains(got, "override AWS_PROFILE=sso") {
		t.Errorf("with temporary keys beside AWS_PROFILE: %q", got)
	}
	if got := StaleEnvironment("sso"); got != "" {
		t.Errorf("with a profile named: %q", got)
	}
}

func TestHTTPClientTrustsTheConfiguredBundle(t *testing.T) {
	awsFiles(t, rolesConfig, keysFile)
	web := testenv.NewCA(t, "web")
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }))
	server.TLS = testenv.ServerConfig(web.Leaf(t, "127.0.0.1"))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	get := func() error {
		cfg, err := new(Profiles).Config(t.Context(), "keys", "eu-west-1")
		if err != nil {
			t.Fatal(err)
		}
		client := HTTPClient(cfg)
		defer client.CloseIdleConnections()
		response, err := client.Get(server.URL)
		if err == nil {
			response.Body.Close()
		}
		return err
	}
	if err := get(); !errors.As(err, new(x509.UnknownAuthorityError)) {
		t.Errorf("without AWS_CA_BUNDLE: %v; want an unknown authority", err)
	}
	path := filepath.Join(t.TempDir(), "bundle.pem")
	testenv.Write(t, path, testenv.PEM(t, web.Cert))
	t.Setenv("AWS_CA_BUNDLE", path)
	if err := get(); err != nil {
		t.Errorf("with AWS_CA_BUNDLE: %v", err)
	}
}
