package dsql

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pgkeyless/pgkeyless/internal/awsapi/apitest"
	"github.com/pgkeyless/pgkeyless/internal/causes"
)

const id = "abtkpcdmqncdwnx7z2tkqvbzmy"

// keys are any.
var keys = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret", SessionToken: "session"}, nil
})

// serving is a Client of a server that answers as answer does. In synctest's bubbles there
// are no sockets.
func serving(answer http.HandlerFunc) *Client {
	return New(aws.Config{Region: "eu-west-1", Credentials: keys, HTTPClient: &http.Client{Transport: inMemory(answer)}})
}

type inMemory http.HandlerFunc

func (h inMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	h(w, r)
	return w.Result(), nil
}

func TestGet(t *testing.T) {
	c := serving(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "GET" || r.URL.Path != "/cluster/"+id || r.Header.Get("X-Amz-Security-Token") != "session" ||
			!strings.Contains(r.Header.Get("Authorization"), "/eu-west-1/dsql/aws4_request") {
			t.Errorf("%s %s with %v", r.Method, r.URL, r.Header)
		}
		fmt.Fprintf(w, `{"identifier":"%[1]s","arn":"arn:aws:dsql:eu-west-1:111122223333:cluster/%[1]s","status":"ACTIVE","creationTime":1.7e9,"endpoint":"%[1]s.dsql.eu-west-1.on.aws","tags":{}}`, id)
	})
	got, err := c.Get(t.Context(), id)
	want := Cluster{Identifier: id, ARN: "arn:aws:dsql:eu-west-1:111122223333:cluster/" + id, Endpoint: id + ".dsql.eu-west-1.on.aws", Status: "ACTIVE"}
	if err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
}

// Pages follow each other until one has no token, and a token goes back as it came.
func TestListReadsEveryPage(t *testing.T) {
	const token = "a+b/c=&d e"
	c := serving(func(w http.ResponseWriter, r *http.Request) {
		switch q := r.URL.Query(); {
		case r.URL.Path != "/cluster" || q.Get("max-results") != "100":
			t.Errorf("asked for %s", r.URL)
		case q.Get("next-token") == "":
			fmt.Fprintf(w, `{"clusters":[{"identifier":"one","arn":"a"},{"identifier":"two","arn":"b"}],"nextToken":%q}`, token)
		case q.Get("next-token") == token:
			fmt.Fprint(w, `{"clusters":[{"identifier":"three","arn":"c"}]}`)
		default:
			t.Errorf("token %q", q.Get("next-token"))
		}
	})
	all, err := c.List(t.Context())
	if err != nil || len(all) != 3 || all[2].Identifier != "three" {
		t.Errorf("got %+v, %v", all, err)
	}
}

// A list that never ends is an error, and so is another answer.
func TestAnswersAreBounded(t *testing.T) {
	endless := serving(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"clusters":[],"nextToken":"again"}`) })
	if _, err := endless.List(t.Context()); err == nil || !strings.Contains(err.Error(), "circles") {
		t.Errorf("an endless list: %v", err)
	}
	html := serving(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") })
	if _, err := html.Get(t.Context(), id); err == nil || !strings.Contains(err.Error(), "not the JSON") {
		t.Errorf("another answer: %v", err)
	}
}

// A region without DSQL has no name for it, whatever kind of endpoint is asked for. That
// does not excuse an endpoint URL that is mistyped.
func TestNoService(t *testing.T) {
	missing := &net.DNSError{Err: "no such host", IsNotFound: true}
	blamed := causes.EndpointSetting.New(causes.Facts{"setting": "AWS_USE_FIPS_ENDPOINT=true"}, nil)
	for _, test := range []struct {
		name     string
		err      error
		override string
		want     bool
	}{
		{"no such name", missing, "", true},
		{"with a setting to blame", blamed, "", true},
		{"a slow resolver", &net.DNSError{Err: "timeout", IsTimeout: true}, "", false},
		{"refused", errors.New("connection refused"), "", false},
		{"a mistyped endpoint", blamed, "https://dsql.example", false},
		{"a mistyped endpoint, unblamed", missing, "https://dsql.example", false},
	} {
		cfg := aws.Config{Region: "eu-west-1", Credentials: keys, RetryMaxAttempts: 1, HTTPClient: &apitest.Failing{Err: test.err}}
		if test.override != "" {
			cfg.BaseEndpoint = &test.override
		}
		c := New(cfg)
		_, listing := c.List(t.Context())
		_, getting := c.Get(t.Context(), id)
		for _, err := range []error{listing, getting} {
			if errors.Is(err, ErrNoService) != test.want || !errors.Is(err, test.err) {
				t.Errorf("%s: %v, want it to say so: %v", test.name, err, test.want)
			}
		}
	}
}

// What may pass is asked again; that there was no answer is the answer.
func TestUnansweredCallsAreNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := &apitest.Failing{Err: errors.New("502 Bad Gateway")}
		if _, err := New(aws.Config{Region: "eu-west-1", Credentials: keys, HTTPClient: refused}).Get(t.Context(), id); !errors.Is(err, refused.Err) || refused.Calls != 1 {
			t.Errorf("%v after %d calls, want one", err, refused.Calls)
		}
		unavailable := apitest.Answer{Status: http.StatusServiceUnavailable}
		server := &apitest.Server{Answers: []apitest.Answer{unavailable, unavailable, unavailable}}
		if _, err := New(server.Config("eu-west-1")).Get(t.Context(), id); err == nil || len(server.Calls) != 3 {
			t.Errorf("unavailable: %v after %d calls, want 3", err, len(server.Calls))
		}
	})
}
