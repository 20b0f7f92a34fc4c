package awsapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"

	"github.com/pgkeyless/pgkeyless/internal/awsapi/apitest"
	"github.com/pgkeyless/pgkeyless/internal/awserror"
)

var testService = Service{ID: "Test", Prefix: "test", Target: "AmazonTest", Version: "2026-11-30"}

var keys = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret", SessionToken: "session"}, nil
})

// inMemory answers without a socket, of which there are none in synctest's bubbles.
type inMemory http.HandlerFunc

func (h inMemory) Do(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	h(w, r)
	return w.Result(), nil
}

func serving(answer http.HandlerFunc) *Client {
	return New(aws.Config{Region: "eu-west-1", Credentials: keys, HTTPClient: inMemory(answer)}, testService)
}

func TestJSON(t *testing.T) {
	c := serving(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method != "POST" || r.URL.String() != "https://test.eu-west-1.amazonaws.com/" || string(body) != `{"Name":"a&b"}` && string(body) != "{\"Name\":\"a\\u0026b\"}" ||
			r.Header.Get("X-Amz-Target") != "AmazonTest.DescribeThings" || r.Header.Get("Content-Type") != "application/x-amz-json-1.1" ||
			r.Header.Get("X-Amz-Security-Token") != "session" || !strings.Contains(r.Header.Get("Authorization"), "/eu-west-1/test/aws4_request") {
			t.Errorf("%s %s with %v: %s", r.Method, r.URL, r.Header, body)
		}
		fmt.Fprint(w, `{"Name":"n","Made":1.5e9,"Unknown":{}}`)
	})
	var out struct {
		Name string
		Made Time
	}
	err := c.JSON(t.Context(), "DescribeThings", struct{ Name string }{"a&b"}, &out)
	if err != nil || out.Name != "n" || !out.Made.Equal(time.Unix(1500000000, 0)) {
		t.Errorf("got %+v, %v", out, err)
	}
}

func TestQuery(t *testing.T) {
	c := serving(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		want := url.Values{"Action": {"DescribeThings"}, "Version": {"2026-11-30"}, "Names.member.1": {"a&b"}, "Names.member.2": {"c"}}
		if r.PostForm.Encode() != want.Encode() {
			t.Errorf("got %s, want %s", r.PostForm.Encode(), want.Encode())
		}
		fmt.Fprint(w, `<DescribeThingsResponse xmlns="http://x/"><DescribeThingsResult><Things><member><Name>n &lt;</Name></member></Things></DescribeThingsResult></DescribeThingsResponse>`)
	})
	form := url.Values{"Marker": {""}}
	AddMembers(form, "Names", "a&b", "c")
	var out struct {
		Names []string `xml:"DescribeThingsResult>Things>member>Name"`
	}
	if err := c.Query(t.Context(), "DescribeThings", form, &out); err != nil || len(out.Names) != 1 || out.Names[0] != "n <" {
		t.Errorf("got %+v, %v", out, err)
	}
}

func TestGet(t *testing.T) {
	const token = "a+b/c=&d e"
	c := serving(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "GET" || r.URL.Path != "/thing" || r.URL.Query().Get("token") != token {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		fmt.Fprint(w, `{"name":"n"}`)
	})
	var out struct{ Name string }
	if err := c.Get(t.Context(), "GetThing", "/thing", url.Values{"token": {token}}, &out); err != nil || out.Name != "n" {
		t.Errorf("got %+v, %v", out, err)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	for name, limit := range map[string]int64{"by default": 0, "by the service": 1000} {
		service := testService
		service.MaxAnswer = limit
		most := service.maxAnswer()
		for size, fits := range map[int64]bool{most: true, most + 1: false} {
			c := serving(func(w http.ResponseWriter, _ *http.Request) {
				fmt.Fprintf(w, `"%s"`, strings.Repeat("x", int(size-2)))
			})
			c.service = service
			var out string
			if err := c.JSON(t.Context(), "X", nil, &out); (err == nil) != fits || err != nil && !strings.Contains(err.Error(), "more than") {
				t.Errorf("%s: %d bytes: %v", name, size, err)
			}
		}
	}
}

// An answer that is something else is an error that does not repeat it, however well it is
// formed.
func TestOtherAnswers(t *testing.T) {
	for _, answer := range []string{
		"<html>password</body>", "<html><body>password</body></html>", "", "<XResponse/>", "<XResponse><OtherResult>password</OtherResult></XResponse>",
		"<OtherResponse><XResult>password</XResult></OtherResponse>",
	} {
		c := serving(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) })
		var out struct{}
		for name, err := range map[string]error{
			"JSON": c.JSON(t.Context(), "X", nil, &out),
			"XML":  c.Query(t.Context(), "X", nil, &out),
		} {
			if err == nil || !strings.Contains(err.Error(), "is not the "+name) || strings.Contains(err.Error(), "password") {
				t.Errorf("%s as %s: %v", answer, name, err)
			}
		}
	}
}

// What an API answers is known by its code, wherever that stands; what may pass is tried
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
		{"body", 404, "", `{"__type":"com.amazon.test#ResourceNotFoundException","Message":"gone"}`, "ResourceNotFoundException", "gone", 1},
		{"throttled", 429, "ThrottlingException", `{"message":"slow"}`, "ThrottlingException", "slow", 3},
		{"their fault", 500, "InternalServerException", `{}`, "InternalServerException", "", 3},
		{"a gateway in front", 403, "", `{"message":"Forbidden"}`, "UnknownError", "Forbidden", 1},
		{"something in between", 502, "", `<html>`, "", "HTTP 502", 3},
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
				err := c.JSON(t.Context(), "DescribeThings", nil, nil)
				op, ok := errors.AsType[*smithy.OperationError](err)
				if !ok || op.Service() != "Test" || op.Operation() != "DescribeThings" || awserror.Status(err) != test.status {
					t.Errorf("got %#v", err)
				}
				if awserror.Code(err) != test.code || !strings.Contains(err.Error(), test.message) || calls != test.calls {
					t.Errorf("got %v after %d calls, want %s %q after %d", err, calls, test.code, test.message, test.calls)
				}
				calls = 0
				if err := c.JSONOnce(t.Context(), "DescribeThings", nil, nil); err == nil || calls != 1 {
					t.Errorf("once: %v after %d calls", err, calls)
				}
			})
		})
	}
}

// What the network does is worth another try, a name that does not exist is not.
func TestUnansweredCalls(t *testing.T) {
	for name, test := range map[string]struct {
		err   error
		calls int
	}{
		"reset":        {&url.Error{Op: "Post", URL: "https://test", Err: &net.OpError{Op: "read", Err: errors.New("connection reset by peer")}}, 3},
		"no such name": {&url.Error{Op: "Post", URL: "https://test", Err: &net.DNSError{Err: "no such host", IsNotFound: true}}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				cfg := aws.Config{Region: "eu-west-1", HTTPClient: &apitest.Failing{Err: test.err}, Credentials: aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
					calls++
					return keys(ctx)
				})}
				err := New(cfg, testService).JSON(t.Context(), "X", nil, nil)
				if !errors.Is(err, test.err) || calls != test.calls {
					t.Errorf("got %v after %d calls, want %d", err, calls, test.calls)
				}
			})
		})
	}
}

// Keys that cannot be had are asked for once, and nothing is sent.
func TestNoCredentials(t *testing.T) {
	none := errors.New("the SSO session ended")
	cfg := aws.Config{Region: "eu-west-1", HTTPClient: &apitest.Failing{Err: errors.New("sent")}, Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{}, none
	})}
	if err := New(cfg, testService).JSON(t.Context(), "X", nil, nil); !errors.Is(err, none) {
		t.Errorf("got %v", err)
	}
	cfg.Credentials = nil
	if err := New(cfg, testService).JSON(t.Context(), "X", nil, nil); err == nil || !strings.Contains(err.Error(), "no credentials") {
		t.Errorf("got %v", err)
	}
}

// A clock that is wrong is corrected by what AWS says, for the calls that follow, too.
func TestClockIsCorrected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const ahead = 20 * time.Minute
		calls := 0
		c := serving(func(w http.ResponseWriter, r *http.Request) {
			calls++
			now := time.Now().Add(ahead)
			w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
			signed, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
			if off := now.Sub(signed); err != nil || off.Abs() > 5*time.Minute {
				w.WriteHeader(http.StatusForbidden)
				fmt.Fprint(w, `{"__type":"RequestTimeTooSkewed"}`)
				return
			}
			fmt.Fprint(w, `{}`)
		})
		for range 2 {
			if err := c.JSON(t.Context(), "X", nil, nil); err != nil {
				t.Fatal(err)
			}
		}
		if calls != 3 {
			t.Errorf("%d requests for two calls, want 3: only the first is refused", calls)
		}
	})
}

// What the configuration adds to calls is added, and the user's name for the application.
func TestConfiguration(t *testing.T) {
	added := false
	c := New(aws.Config{
		Region: "eu-west-1", Credentials: keys, AppID: "orders-team", RetryMode: aws.RetryModeAdaptive, RetryMaxAttempts: 2,
		APIOptions: []func(*middleware.Stack) error{func(*middleware.Stack) error { added = true; return nil }},
		HTTPClient: inMemory(func(_ http.ResponseWriter, r *http.Request) {
			if !strings.Contains(r.Header.Get("User-Agent"), "app/orders-team") {
				t.Errorf("User-Agent %q", r.Header.Get("User-Agent"))
			}
		}),
	}, testService)
	if err := c.JSON(t.Context(), "X", nil, nil); err != nil || !added {
		t.Errorf("%v, added %v", err, added)
	}
	if got := c.retryer.MaxAttempts(); got != 2 {
		t.Errorf("%d attempts, want 2", got)
	}
}
