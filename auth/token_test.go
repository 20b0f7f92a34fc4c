package auth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pgkeyless/pgkeyless/internal/credentials"
)

const (
	testKey    = "AKIAIOSFODNN7EXAMPLE"
	testSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

// fixed gives the same credentials each time.
func fixed(session string) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: testKey, SecretAccessKey: testSecret, SessionToken: session}, nil
	})
}

func endpoint(t *testing.T, name string) Endpoint {
	t.Helper()
	e, err := ParseEndpoint(name)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// presigned is a token taken apart. It shares no code with what made it.
type presigned struct {
	host   string
	values url.Values
	query  []string // as written, without the signature
}

func takeApart(t *testing.T, token string) presigned {
	t.Helper()
	if strings.Contains(token, "://") {
		t.Fatalf("the token has a scheme")
	}
	host, query, ok := strings.Cut(token, "?")
	if !ok {
		t.Fatalf("the token has no query")
	}
	p := presigned{host: strings.TrimSuffix(host, "/"), values: make(url.Values)}
	for pair := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(pair, "=")
		plain, err := url.PathUnescape(value) // a plus sign is a plus sign here
		if err != nil {
			t.Fatalf("value of %s: %v", key, err)
		}
		p.values.Add(key, plain)
		if key != "X-Amz-Signature" {
			p.query = append(p.query, pair)
		}
	}
	return p
}

// signature recomputes SigV4 for a presigned GET of "/" with only host signed.
func (p presigned) signature(secret, service string) string {
	scope := strings.Split(p.values.Get("X-Amz-Credential"), "/")
	slices.Sort(p.query)
	empty := sha256.Sum256(nil)
	canonical := strings.Join([]string{
		"GET", "/", strings.Join(p.query, "&"), "host:" + p.host, "", "host", hex.EncodeToString(empty[:]),
	}, "\n")
	hashed := sha256.Sum256([]byte(canonical))
	toSign := strings.Join([]string{
		"AWS4-HMAC-SHA256", p.values.Get("X-Amz-Date"), strings.Join(scope[1:], "/"), hex.EncodeToString(hashed[:]),
	}, "\n")
	key := []byte("AWS4" + secret)
	for _, part := range []string{p.values.Get("X-Amz-Date")[:8], scope[2], service, "aws4_request"} {
		key = mac(key, part)
	}
	return hex.EncodeToString(mac(key, toSign))
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// check fails unless p is signed rightly and has these values.
func (p presigned) check(t *testing.T, service string, want map[string]string) {
	t.Helper()
	if got, want := p.values.Get("X-Amz-Signature"), p.signature(testSecret, service); got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
	for key, value := range want {
		if got := p.values[key]; !slices.Equal(got, []string{value}) {
			t.Errorf("%s = %.80q, want %.80q", key, got, value)
		}
	}
}

func TestTokenIsSignedForEndpointUserAndRegion(t *testing.T) {
	for _, tc := range []struct {
		name, endpoint, region, user, session string
		host, signedRegion                    string
	}{
		{name: "instance", endpoint: "Orders.C1.EU-WEST-1.rds.amazonaws.com", user: "app_user",
			host: "orders.c1.eu-west-1.rds.amazonaws.com:5432", signedRegion: "eu-west-1"},
		{name: "port", endpoint: "orders.c1.eu-west-1.rds.amazonaws.com:6543", user: "app_user",
			host: "orders.c1.eu-west-1.rds.amazonaws.com:6543", signedRegion: "eu-west-1"},
		{name: "region given", endpoint: "db.example.com", region: "sa-east-1", user: "app_user",
			host: "db.example.com:5432", signedRegion: "sa-east-1"},
		{name: "region replaced", endpoint: "orders.c1.eu-west-1.rds.amazonaws.com", region: "sa-east-1", user: "u",
			host: "orders.c1.eu-west-1.rds.amazonaws.com:5432", signedRegion: "sa-east-1"},
		{name: "proxy", endpoint: "r.endpoint.proxy-c1.us-east-1.rds.amazonaws.com", user: "u",
			host: "r.endpoint.proxy-c1.us-east-1.rds.amazonaws.com:5432", signedRegion: "us-east-1"},
		{name: "session token", endpoint: "o.c1.us-east-1.rds.amazonaws.com", user: "u", session: "FwoG+/=abc",
			host: "o.c1.us-east-1.rds.amazonaws.com:5432", signedRegion: "us-east-1"},
		{name: "long session token", endpoint: "o.c1.us-east-1.rds.amazonaws.com", user: "u", session: strings.Repeat("aB3+/=", 8000/6),
			host: "o.c1.us-east-1.rds.amazonaws.com:5432", signedRegion: "us-east-1"},
		{name: "odd user", endpoint: "o.c1.us-east-1.rds.amazonaws.com", user: "a b+c/d@e&f=g%20;h?i#jäç\n",
			host: "o.c1.us-east-1.rds.amazonaws.com:5432", signedRegion: "us-east-1"},
		{name: "global", endpoint: "o.global-c1.global.rds.amazonaws.com", region: "us-east-1", user: "u",
			host: "o.global-c1.global.rds.amazonaws.com:5432", signedRegion: "us-east-1"},
		{name: "IPv6", endpoint: "[::1]:5433", region: "us-east-1", user: "u", host: "[::1]:5433", signedRegion: "us-east-1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // its clock starts at 2000-01-01
				tokens, err := NewTokens(TokensConfig{Endpoint: endpoint(t, tc.endpoint), Region: tc.region, Credentials: fixed(tc.session)})
				if err != nil {
					t.Fatal(err)
				}
				token, err := tokens.Token(t.Context(), tc.user)
				if err != nil {
					t.Fatal(err)
				}
				p := takeApart(t, token.Reveal())
				if p.host != tc.host {
					t.Errorf("signed host %q, want %q", p.host, tc.host)
				}
				want := map[string]string{
					"Action": "connect", "DBUser": tc.user,
					"X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Expires": "900", "X-Amz-SignedHeaders": "host",
					"X-Amz-Date":       "20000101T000000Z",
					"X-Amz-Credential": testKey + "/20000101/" + tc.signedRegion + "/rds-db/aws4_request",
				}
				if tc.session != "" {
					want["X-Amz-Security-Token"] = tc.session
				}
				p.check(t, "rds-db", want)
			})
		})
	}
}

func TestDSQLTokenNamesNeitherPortNorUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tokens, err := NewTokens(TokensConfig{Endpoint: endpoint(t, "abc.dsql.us-east-1.on.aws"), Credentials: fixed("session/+=")})
		if err != nil {
			t.Fatal(err)
		}
		for user, action := range map[string]string{"admin": "DbConnectAdmin", "app_user": "DbConnect", "Admin": "DbConnect"} {
			token, err := tokens.Token(t.Context(), user)
			if err != nil {
				t.Fatal(err)
			}
			p := takeApart(t, token.Reveal())
			if p.host != "abc.dsql.us-east-1.on.aws" || p.values.Has("DBUser") {
				t.Errorf("user %s: signed host %q, user %q", user, p.host, p.values["DBUser"])
			}
			p.check(t, "dsql", map[string]string{
				"Action": action, "X-Amz-Expires": "900", "X-Amz-SignedHeaders": "host", "X-Amz-Security-Token": "session/+=",
				"X-Amz-Credential": testKey + "/20000101/us-east-1/dsql/aws4_request",
			})
		}
	})
}

func TestTokenIsMadeAnewForEachLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tokens, err := NewTokens(TokensConfig{Endpoint: endpoint(t, "o.c1.us-east-1.rds.amazonaws.com"), Credentials: fixed("")})
		if err != nil {
			t.Fatal(err)
		}
		first, err := tokens.Token(t.Context(), "u")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		second, err := tokens.Token(t.Context(), "u")
		if err != nil {
			t.Fatal(err)
		}
		if got := takeApart(t, second.Reveal()).values.Get("X-Amz-Date"); first.Reveal() == second.Reveal() || got != "20000101T000001Z" {
			t.Errorf("the second token is dated %s, want 20000101T000001Z", got)
		}
	})
}

func TestTokensRefusedAtConstruction(t *testing.T) {
	rds := endpoint(t, "o.c1.us-east-1.rds.amazonaws.com")
	for _, tc := range []struct {
		name       string
		cfg        TokensConfig
		want, hint string
	}{
		{"no endpoint", TokensConfig{Credentials: fixed("")}, "endpoint", ""},
		{"no credentials", TokensConfig{Endpoint: rds}, "credentials", ""},
		{"no region", TokensConfig{Endpoint: endpoint(t, "db.example.com"), Credentials: fixed("")},
			"no AWS region for db.example.com", "--region"},
		{"global without region", TokensConfig{Endpoint: endpoint(t, "o.global-c1.global.rds.amazonaws.com"), Credentials: fixed("")},
			"no AWS region", "--region"},
		{"odd region", TokensConfig{Endpoint: rds, Region: "us-east-1/../x", Credentials: fixed("")}, "not an AWS region", "--region"},
		{"Redshift", TokensConfig{Endpoint: endpoint(t, "dw.c1.us-east-1.redshift.amazonaws.com"), Credentials: fixed("")},
			"not supported yet", "directly"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := NewTokens(tc.cfg)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("error %v, want one with %q", err, tc.want)
			}
			var hinted interface{ Hint() string }
			if tc.hint != "" && (!errors.As(err, &hinted) || !strings.Contains(hinted.Hint(), tc.hint)) {
				t.Errorf("%T has no hint with %q", err, tc.hint)
			}
		})
	}
}

// answers is a provider that returns what it is told.
type answers func(ctx context.Context) (aws.Credentials, error)

func (f answers) Retrieve(ctx context.Context) (aws.Credentials, error) { return f(ctx) }

func TestNoTokenWithoutLivingCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		creds := aws.Credentials{AccessKeyID: testKey, SecretAccessKey: testSecret, CanExpire: true}
		expiring := func(in time.Duration) aws.Credentials {
			c := creds
			c.Expires = time.Now().Add(in)
			return c
		}
		for _, tc := range []struct {
			name    string
			creds   aws.Credentials
			err     error
			want    string // in the error; empty: a token
			state   string
			details string
		}{
			{name: "alive", creds: expiring(time.Second)},
			{name: "over", creds: expiring(-time.Minute), want: "they have expired", state: "28000", details: "1m0s ago"},
			{name: "ending now", creds: expiring(0), want: "they have expired", state: "28000"},
			{name: "empty", want: "none found", state: "28000"},
			{name: "failing", err: errors.New("boom"), want: "boom", state: "28000"},
			{name: "slow", err: &aws.RequestCanceledError{Err: context.DeadlineExceeded}, want: "no answer in time", state: "57P03"},
		} {
			tokens, err := NewTokens(TokensConfig{
				Endpoint: endpoint(t, "o.c1.us-east-1.rds.amazonaws.com"), Profile: "dev",
				Credentials: answers(func(context.Context) (aws.Credentials, error) { return tc.creds, tc.err }),
			})
			if err != nil {
				t.Fatal(err)
			}
			_, err = tokens.Token(t.Context(), "u")
			if tc.want == "" {
				if err != nil {
					t.Errorf("%s: %v", tc.name, err)
				}
				continue
			}
			known, ok := credentials.Blamed(err)
			if !ok || !strings.Contains(err.Error(), tc.want) || !strings.Contains(known.Detail(), tc.details) {
				t.Errorf("%s: error %v; want one that blames the credentials, with %q, detail with %q", tc.name, err, tc.want, tc.details)
				continue
			}
			if !strings.Contains(known.Error(), `"dev"`) || known.SQLState() != tc.state || known.Hint() == "" {
				t.Errorf("%s: %v, state %s, hint %q; want profile dev", tc.name, known, known.SQLState(), known.Hint())
			}
			if strings.Contains(fmt.Sprintf("%+v %s", err, known.Detail()), testSecret) {
				t.Errorf("%s: the secret key is in the error", tc.name)
			}
		}
	})
}

func TestTokenNeedsAUser(t *testing.T) {
	tokens, err := NewTokens(TokensConfig{Endpoint: endpoint(t, "o.c1.us-east-1.rds.amazonaws.com"), Credentials: fixed("")})
	if err != nil {
		t.Fatal(err)
	}
	if token, err := tokens.Token(t.Context(), ""); err == nil || token.Reveal() != "" {
		t.Errorf("a token for nobody: error %v", err)
	}
}

func TestTokensOfManyLoginsAtOnce(t *testing.T) {
	tokens, err := NewTokens(TokensConfig{Endpoint: endpoint(t, "o.c1.us-east-1.rds.amazonaws.com"), Credentials: fixed("")})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			user := fmt.Sprintf("user%d", i)
			token, err := tokens.Token(t.Context(), user)
			if err != nil {
				t.Error(err)
				return
			}
			if got := takeApart(t, token.Reveal()).values.Get("DBUser"); got != user {
				t.Errorf("a token for %q, want %q", got, user)
			}
		})
	}
	wg.Wait()
}

// A token goes where it is revealed, and nowhere by accident.
func TestTokenIsRedacted(t *testing.T) {
	tokens, err := NewTokens(TokensConfig{Endpoint: endpoint(t, "o.c1.us-east-1.rds.amazonaws.com"), Credentials: fixed("")})
	if err != nil {
		t.Fatal(err)
	}
	token, err := tokens.Token(t.Context(), "u")
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if shown := fmt.Sprintf(verb, token); shown != "[redacted]" {
			t.Errorf("%s shows %q", verb, shown)
		}
	}
	if !strings.Contains(token.Reveal(), "X-Amz-Signature=") {
		t.Error("there is no signature to keep")
	}
}
