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
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pgkeyless/pgkeyless/internal/awserror"
)

const id = "abtkpcdmqncdwnx7z2tkqvbzmy"

// keys are any.
var keys = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret", SessionToken: "session"}, nil
})

// serving is a Client of a server that answers as answer does. In synctest's bubbles there
// are no sockets.
func serving(answer http.HandlerFunc) *Client {
	return &Client{base: "https://dsql.eu-west-1.api.aws", region: "eu-west-1", credentials: keys, http: &http.Client{Transport: inMemory(answer)}}
}

type inMemory http.HandlerFunc

func (h inMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	h(w, r)
	return w.Result(), nil
}

func TestEndpoints(t *testing.T) {
	for _, test := range []struct {
		name   string
		cfg    aws.Config
		region string
		want   string
	}{
		{"its own", aws.Config{}, "eu-west-1", "https://dsql.eu-west-1.api.aws"},
		{"of another partition", aws.Config{}, "cn-north-1", "https://dsql.cn-north-1.api.amazonwebservices.com.cn"},
		{"for all services", aws.Config{BaseEndpoint: aws.String("http://127.0.0.1:4566/")}, "eu-west-1", "http://127.0.0.1:4566"},
		{"for this one", aws.Config{BaseEndpoint: aws.String("http://127.0.0.1:4566"), ConfigSources: []any{configured{url: "https://vpce.example.com"}}}, "eu-west-1", "https://vpce.example.com"},
		{"ignored", aws.Config{ConfigSources: []any{configured{url: "https://vpce.example.com", ignore: true}}}, "eu-west-1", "https://dsql.eu-west-1.api.aws"},
	} {
		test.cfg.Region = test.region
		if got := New(test.cfg).base; got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

// configured is a part of the SDK's configuration.
type configured struct {
	url    string
	ignore bool
}

func (c configured) GetServiceBaseEndpoint(_ context.Context, sdkID string) (string, bool, error) {
	return c.url, sdkID == "DSQL", nil
}

func (c configured) GetIgnoreConfiguredEndpoints(context.Context) (bool, bool, error) {
	return c.ignore, c.ignore, nil
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

// A list that never ends, or an answer that is too long, is an error before it takes memory.
func TestAnswersAreBounded(t *testing.T) {
	endless := serving(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"clusters":[],"nextToken":"again"}`) })
	if _, err := endless.List(t.Context()); err == nil || !strings.Contains(err.Error(), "no end") {
		t.Errorf("an endless list: %v", err)
	}
	long := serving(func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, maxAnswer+1)) })
	if _, err := long.Get(t.Context(), id); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("a long answer: %v", err)
	}
	html := serving(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") })
	if _, err := html.Get(t.Context(), id); err == nil || !strings.Contains(err.Error(), "not the JSON") {
		t.Errorf("another answer: %v", err)
	}
}

// What the API answers is known by its code, wherever that stands; what may pass is tried
// again, what does not is not.
func TestErrors(t *testing.T) {
	for _, test := range []struct {
		name    string
		status  int
		header  string
		body    string
		code    string
		message string
		calls   int
	}{
		{"header", 403, "AccessDeniedException:http://internal.amazon.com/coral/", `{"message":"no"}`, "AccessDeniedException", "no", 1},
		{"body", 404, "", `{"__type":"com.amazon.dsql#ResourceNotFoundException","Message":"gone"}`, "ResourceNotFoundException", "gone", 1},
		{"throttled", 429, "ThrottlingException", `{"message":"slow"}`, "ThrottlingException", "slow", attempts},
		{"their fault", 500, "InternalServerException", `{}`, "InternalServerException", "", attempts},
		{"something in between", 502, "", `<html>`, "", "HTTP 502", attempts},
		{"a redirect", 302, "", ``, "", "HTTP 302", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				c := serving(func(w http.ResponseWriter, _ *http.Request) {
					calls++
					if test.header != "" {
						w.Header().Set("X-Amzn-ErrorType", test.header)
					}
					w.WriteHeader(test.status)
					fmt.Fprint(w, test.body)
				})
				began := time.Now()
				_, err := c.Get(t.Context(), id)
				if awserror.Code(err) != test.code || err == nil || !strings.Contains(err.Error(), test.message) || calls != test.calls {
					t.Errorf("got %v after %d calls, want %s %q after %d", err, calls, test.code, test.message, test.calls)
				}
				if took, want := time.Since(began), map[bool]time.Duration{false: 0, true: 3 * firstPause}[calls > 1]; took != want {
					t.Errorf("that took %v, want %v", took, want)
				}
			})
		})
	}
}

// A region that would lead elsewhere is sent nothing.
func TestRegionIsPartOfTheName(t *testing.T) {
	c := New(aws.Config{Region: "eu-west-1.example.com/", Credentials: keys})
	c.http.Transport = inMemory(func(http.ResponseWriter, *http.Request) { t.Error("asked") })
	if _, err := c.Get(t.Context(), id); err == nil || !strings.Contains(err.Error(), "is no region") {
		t.Errorf("got %v", err)
	}
}

func TestNoService(t *testing.T) {
	missing := fmt.Errorf("asking: %w", &net.DNSError{IsNotFound: true})
	for err, want := range map[error]bool{missing: true, &net.DNSError{IsTimeout: true}: false, errors.New("no"): false, nil: false} {
		if got := NoService(err); got != want {
			t.Errorf("%v: %v", err, got)
		}
	}
}
