package credentials

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/testenv"
)

// readOnly makes the directory one in which no file can be written, as a volume
// that is mounted with :ro. root may write everywhere: for it tokens is told to fail.
func readOnly(t *testing.T, dir string, tokens *ssoTokens) {
	t.Helper()
	if os.Geteuid() <= 0 { // root, and Windows, which has other permissions
		tokens.write = func(path string, _ ssoLoginToken) error {
			return &fs.PathError{Op: "open", Path: path, Err: fs.ErrPermission}
		}
		return
	}
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(dir, 0o700) })
}

// identityCenter gives a refresh token for each that it has given, which serves
// once, and keys for the access token that came last.
type identityCenter struct {
	*httptest.Server
	refreshed atomic.Int64
}

func newIdentityCenter(t *testing.T) *identityCenter {
	s := &identityCenter{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := s.refreshed.Load()
		if strings.HasPrefix(r.URL.Path, "/federation") {
			if r.Header.Get("x-amz-sso_bearer_token") != fmt.Sprint("access-", n) {
				w.Header().Set("x-amzn-ErrorType", "UnauthorizedException")
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			fmt.Fprintf(w, `{"roleCredentials":{"accessKeyId":"ASIA%d","secretAccessKey":"s","sessionToken":"t","expiration":%d}}`, n, time.Now().Add(time.Minute).UnixMilli())
			return
		}
		var in struct{ GrantType, RefreshToken, ClientSecret string }
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.GrantType != "refresh_token" || in.RefreshToken != fmt.Sprint("refresh-", n) || in.ClientSecret != "secret" {
			w.Header().Set("x-amzn-ErrorType", "InvalidGrantException")
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		n = s.refreshed.Add(1)
		fmt.Fprintf(w, `{"accessToken":"access-%d","refreshToken":"refresh-%d","expiresIn":1}`, n, n)
	}))
	t.Cleanup(s.Close)
	t.Setenv("AWS_ENDPOINT_URL_SSO", s.URL)
	t.Setenv("AWS_ENDPOINT_URL_SSO_OIDC", s.URL)
	return s
}

// A token that was refreshed and cannot be written serves, and so does its refresh
// token, with one warning. Where it can be written it is, with what else the file
// has.
func TestRefreshedTokenOfAReadOnlyHome(t *testing.T) {
	for _, writable := range []bool{false, true} {
		t.Run(fmt.Sprint("writable ", writable), func(t *testing.T) {
			home := awsFiles(t, rolesConfig, keysFile)
			center := newIdentityCenter(t)
			ssoToken(t, home, "company", time.Now().Add(-time.Hour), map[string]string{"accessToken": "access-0", "refreshToken": "refresh-0", "clientId": "c", "clientSecret": "secret", "mine": "kept"})
			var log bytes.Buffer
			profiles := Profiles{Log: slog.New(slog.NewTextHandler(&log, nil))}
			cache := filepath.Join(home, ".aws", "sso", "cache")
			if !writable {
				readOnly(t, cache, &profiles.tokens)
			}
			cfg, err := profiles.Config(t.Context(), "sso", "eu-west-1")
			if err != nil {
				t.Fatal(err)
			}
			for n := range 3 {
				cfg.Credentials.(interface{ Invalidate() }).Invalidate()
				if keys, err := cfg.Credentials.Retrieve(t.Context()); err != nil || keys.AccessKeyID != fmt.Sprint("ASIA", n+1) {
					t.Fatalf("time %d: key %q, %v", n, keys.AccessKeyID, err)
				}
				for _, token := range profiles.tokens.kept { // time passes
					token.ExpiresAt = time.Now().Add(-time.Second)
					for path := range profiles.tokens.kept {
						profiles.tokens.kept[path] = token
					}
				}
				if writable {
					rewrite(t, cache, `"expiresAt":"`, time.Now().Add(-time.Second).UTC().Format(time.RFC3339))
				}
			}
			if got := center.refreshed.Load(); got != 3 {
				t.Errorf("refreshed %d times, want 3", got)
			}
			if got, want := strings.Count(log.String(), "cannot be written to its cache file"), map[bool]int{false: 1, true: 0}[writable]; got != want {
				t.Errorf("%d warnings, want %d:\n%s", got, want, log.String())
			}
			if strings.Contains(log.String(), "refresh-") || strings.Contains(log.String(), "access-") {
				t.Errorf("a token is in the log:\n%s", log.String())
			}
			if text := onlyFile(t, cache); writable && (!strings.Contains(text, `"refreshToken":"refresh-3"`) || !strings.Contains(text, `"mine":"kept"`)) {
				t.Errorf("the cache file is %s", text)
			}
		})
	}
}

// rewrite replaces what follows after in the only file of dir, up to a quote.
func rewrite(t *testing.T, dir, after, with string) {
	t.Helper()
	text := onlyFile(t, dir)
	before, rest, ok := strings.Cut(text, after)
	_, rest, quoted := strings.Cut(rest, `"`)
	if !ok || !quoted {
		t.Fatalf("%s has no %s", text, after)
	}
	files, _ := os.ReadDir(dir)
	testenv.Write(t, filepath.Join(dir, files[0].Name()), before+after+with+`"`+rest)
}

func onlyFile(t *testing.T, dir string) string {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v, want one file", files, err)
	}
	text, err := os.ReadFile(filepath.Join(dir, files[0].Name()))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What was just allowed in the browser is not thrown away either.
func TestAllowedTokenOfAReadOnlyHome(t *testing.T) {
	home := awsFiles(t, rolesConfig, keysFile)
	var tokens ssoTokens
	cache := filepath.Join(home, ".aws", "sso", "cache")
	if err := os.MkdirAll(cache, 0o700); err != nil {
		t.Fatal(err)
	}
	readOnly(t, cache, &tokens)
	var warned []string
	warn := func(message string, _ ...any) { warned = append(warned, message) }
	if err := tokens.keep("company", ssoLoginToken{AccessToken: "allowed", ExpiresAt: time.Now().Add(time.Hour)}, warn); err != nil {
		t.Fatal(err)
	}
	token, err := tokens.current(t.Context(), &ssoProvider{session: ssoSession{key: "company"}, warn: warn})
	if err != nil || token.AccessToken != "allowed" || len(warned) != 1 {
		t.Errorf("token %q, %v, %d warnings; want the one that was allowed, and 1", token.AccessToken, err, len(warned))
	}
	// A later login by another tool, in the file, overrides it.
	tokens.write = nil
	os.Chmod(cache, 0o700)
	ssoToken(t, home, "company", time.Now().Add(2*time.Hour), map[string]string{"accessToken": "newer"})
	if token, err = tokens.current(t.Context(), &ssoProvider{session: ssoSession{key: "company"}, warn: warn}); err != nil || token.AccessToken != "newer" {
		t.Errorf("token %q, %v, want the file's", token.AccessToken, err)
	}
}

// A session of `aws login` is kept in the same way.
func TestLoginSessionOfAReadOnlyHome(t *testing.T) {
	if asOrdinaryUser(t) {
		return
	}
	home := awsFiles(t, rolesConfig, keysFile)
	var calls atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct{ RefreshToken string }
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			t.Error(err)
		}
		n := calls.Add(1)
		if want := []string{"refresh", "refresh-1"}[min(n, 2)-1]; in.RefreshToken != want {
			t.Errorf("refreshed with %q, want %q", in.RefreshToken, want)
		}
		fmt.Fprintf(w, `{"accessToken":{"accessKeyId":"ASIA%d","secretAccessKey":"s","sessionToken":"t"},"expiresIn":900,"refreshToken":"refresh-%d","tokenType":"aws_sigv4"}`, n, n)
	}))
	t.Cleanup(server.Close)
	t.Setenv("AWS_ENDPOINT_URL_SIGNIN", server.URL)
	loginToken(t, home, "arn:aws:iam::123456789012:user/ada", time.Now().Add(-time.Hour))
	cache := filepath.Join(home, ".aws", "login", "cache")
	files, err := os.ReadDir(cache)
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	if err := errors.Join(os.Chmod(filepath.Join(cache, files[0].Name()), 0o400), os.Chmod(cache, 0o500)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(cache, 0o700) })
	var log bytes.Buffer
	profiles := Profiles{Log: slog.New(slog.NewTextHandler(&log, nil))}
	cfg, err := profiles.Config(t.Context(), "login", "eu-west-1")
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range []string{"ASIA1", "ASIA1", "ASIA2"} {
		if n == 2 { // time passes
			for path, kept := range profiles.sessions.kept {
				kept.keys.Expires = time.Now().Add(-time.Second)
				profiles.sessions.kept[path] = kept
			}
		}
		cfg.Credentials.(interface{ Invalidate() }).Invalidate()
		if keys, err := cfg.Credentials.Retrieve(t.Context()); err != nil || keys.AccessKeyID != want {
			t.Fatalf("time %d: key %q, %v, want %s", n, keys.AccessKeyID, err, want)
		}
	}
	if got := strings.Count(log.String(), "cannot be written"); got != 1 {
		t.Errorf("%d warnings, want 1:\n%s", got, log.String())
	}
}

// Identity Center has no FIPS endpoints, so the switch for others does not count.
func TestIdentityCenterIsAskedWithoutFIPS(t *testing.T) {
	awsFiles(t, rolesConfig, keysFile)
	t.Setenv("AWS_USE_FIPS_ENDPOINT", "true")
	s, err := readSettings("sso", "eu-west-1")
	if err != nil {
		t.Fatal(err)
	}
	hosts := map[string]string{}
	for name, cfg := range map[string]string{"STS": "", "SSO": "eu-west-1"} {
		used := s.aws
		if cfg != "" {
			used = withoutFIPS(s.aws, cfg)
		}
		hosts[name] = askedHost(t, name, used)
	}
	if hosts["STS"] != "sts-fips.eu-west-1.amazonaws.com" || hosts["SSO"] != "oidc.eu-west-1.amazonaws.com" {
		t.Errorf("asked %v, want FIPS for STS alone", hosts)
	}
}
