package credentials

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

func roleAnswer(key string) string {
	return `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials><AccessKeyId>` + key +
		`</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>` +
		time.Now().Add(time.Hour).UTC().Format(time.RFC3339) + `</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`
}

// Ten clients of each of two profiles with MFA make one question for a profile,
// and the two questions come one after the other.
func TestQuestionsAreSharedAndInTurn(t *testing.T) {
	awsFiles(t, rolesConfig+"[profile mfa2]\nregion = eu-west-1\nrole_arn = arn:aws:iam::123456789012:role/other\nsource_profile = keys\nmfa_serial = arn:aws:iam::123456789012:mfa/ada\n", keysFile)
	calls := answer(t, "AWS_ENDPOINT_URL_STS", 200, nil, roleAnswer("ASIAROLE"))
	var asking, asked atomic.Int64
	var profiles Profiles
	profiles.People.MFACode = func(_ context.Context, q MFAQuestion) (string, error) {
		if n := asking.Add(1); n != 1 {
			t.Errorf("%d questions at a time", n)
		}
		defer asking.Add(-1)
		asked.Add(1)
		if q.Device != "arn:aws:iam::123456789012:mfa/ada" || !strings.HasPrefix(q.Profile, "mfa") {
			t.Errorf("question %+v", q)
		}
		return " 123456\n", nil
	}
	var clients sync.WaitGroup
	for i := range 20 {
		profile := []string{"mfa", "mfa2"}[i%2]
		clients.Go(func() {
			cfg, err := profiles.Config(t.Context(), profile, "eu-west-1")
			if err != nil {
				t.Error(err)
				return
			}
			if creds, err := cfg.Credentials.Retrieve(t.Context()); err != nil || creds.AccessKeyID != "ASIAROLE" {
				t.Errorf("%s: key %q, %v", profile, creds.AccessKeyID, err)
			}
		})
	}
	clients.Wait()
	if asked.Load() != 2 || calls.Load() != 2 {
		t.Errorf("%d questions and %d calls, want 2 each", asked.Load(), calls.Load())
	}
}

func TestMFAFailuresSayWhatToDo(t *testing.T) {
	for _, tc := range []struct {
		name   string
		code   string
		err    error
		sts    string
		cause  causes.Cause
		detail string
	}{
		{"nobody answers", "", errors.New("no code was typed in time"), "", causes.MFAUnanswered, "no code was typed in time"},
		{"not a code", "12345", nil, "", causes.MFAUnanswered, "six-digit"},
		{"letters", "12345x", nil, "", causes.MFAUnanswered, "six-digit"},
		{"refused", "123456", nil, stsError("AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code."), causes.MFARefused, "invalid MFA"},
		{"another refusal", "123456", nil, stsError("AccessDenied", "User: x is not authorized to perform: sts:AssumeRole"), causes.RoleRefused, "not authorized"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			awsFiles(t, rolesConfig, keysFile)
			answer(t, "AWS_ENDPOINT_URL_STS", 403, nil, tc.sts)
			profiles := Profiles{People: People{MFACode: func(context.Context, MFAQuestion) (string, error) { return tc.code, tc.err }}}
			cfg, err := profiles.Config(t.Context(), "mfa", "eu-west-1")
			if err != nil {
				t.Fatal(err)
			}
			_, err = cfg.Credentials.Retrieve(t.Context())
			known, ok := Blamed(err)
			if !ok || known.Cause() != tc.cause.Name || !strings.Contains(known.Detail(), tc.detail) {
				t.Fatalf("%v, want cause %s with %q", err, tc.cause.Name, tc.detail)
			}
			if tc.code != "" && strings.Contains(known.Error()+known.Detail(), tc.code) {
				t.Errorf("the code is repeated: %q, %q", known, known.Detail())
			}
		})
	}
}

// A client that does not wait for the person hears what it would wait for, or
// that there was no answer, and the retrieval goes on for the next.
func TestClientsHearWhatIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answered := make(chan struct{})
		source := &slowPerson{answered: answered}
		c := &cache{CredentialsCache: aws.NewCredentialsCache(source), profile: "dev", open: &source.open}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := c.Retrieve(ctx)
		known, ok := Blamed(err)
		if !ok || known.Cause() != causes.SSOLoginWaiting.Name || known.SQLState() != "57P03" || !strings.Contains(known.Detail(), "open https://x and check that it shows the code ABCD") {
			t.Errorf("got %v, %q", err, known.Detail())
		}
		source.open.Store(nil)
		ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := c.Retrieve(ctx); !errors.As(err, &known) || known.Cause() != causes.CredentialsSlow.Name || known.SQLState() != "57P03" {
			t.Errorf("while nobody is asked: %v", err)
		}
		close(answered)
		if creds, err := c.Retrieve(t.Context()); err != nil || creds.AccessKeyID != "k" {
			t.Errorf("afterwards: %q, %v", creds.AccessKeyID, err)
		}
	})
}

// slowPerson is a provider that waits for somebody.
type slowPerson struct {
	open     atomic.Pointer[question]
	answered chan struct{}
}

func (s *slowPerson) Retrieve(context.Context) (aws.Credentials, error) {
	s.open.Store(&question{causes.SSOLoginWaiting, causes.Facts{"url": "https://x", "code": "ABCD"}})
	defer s.open.Store(nil)
	<-s.answered
	return aws.Credentials{AccessKeyID: "k", SecretAccessKey: "s"}, nil
}

// A login that came to nothing opens no second page for a while, whoever asks.
func TestNoPageAfterPage(t *testing.T) {
	awsFiles(t, rolesConfig, keysFile)
	registrations := answer(t, "AWS_ENDPOINT_URL_SSO_OIDC", 400, map[string]string{"x-amzn-ErrorType": "InvalidRequestException"}, `{"error":"invalid_request"}`)
	profiles := Profiles{People: People{SSOPage: func(SSOPage) { t.Error("a page was opened") }}}
	for _, profile := range []string{"sso", "sso", "over-session"} {
		cfg, err := profiles.Config(t.Context(), profile, "eu-west-1")
		if err != nil {
			t.Fatal(err)
		}
		_, err = cfg.Credentials.Retrieve(t.Context())
		if known, ok := Blamed(err); !ok || known.Cause() != causes.SSOLoginFailed.Name {
			t.Errorf("%s: %v, want a login that failed", profile, err)
		}
	}
	if n := registrations.Load(); n != 1 {
		t.Errorf("%d logins tried, want 1", n)
	}
}

// What is opened in a browser is a page on the web.
func TestPagesThatAreOpened(t *testing.T) {
	for page, ok := range map[string]bool{
		"https://device.sso.eu-west-1.amazonaws.com/?user_code=ABCD-EFGH": true,
		"http://127.0.0.1:4566/device?user_code=ABCD":                     true,
		"http://device.sso.eu-west-1.amazonaws.com/":                      false,
		"file:///etc/passwd": false,
		"--help":             false,
		"":                   false,
		"https:///x":         false,
	} {
		if err := checkPage(page); (err == nil) != ok {
			t.Errorf("%q: %v, want accepted %v", page, err, ok)
		}
	}
}

// The cache file replaces another whole, and nobody else may read it.
func TestSSOLoginIsKeptPrivately(t *testing.T) {
	home := awsFiles(t, "", "")
	for _, access := range []string{"first", "second"} {
		path := home + "/.aws/sso/cache/corp.json"
		if err := writeSSOToken(path, ssoLoginToken{AccessToken: access, ExpiresAt: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(home + "/.aws/sso/cache")
	if err != nil || len(entries) != 1 {
		t.Fatalf("%v, %v, want one file", entries, err)
	}
	info, err := entries[0].Info()
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v, want 0600", info.Mode(), err)
	}
}
