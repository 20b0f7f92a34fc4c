package tunnel

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
)

// newClient asks an API that answers every call like this.
func newClient(t *testing.T, status int, body string, keys aws.CredentialsProvider, attempts int) (SSM, *atomic.Int64) {
	var calls atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.Header().Set("X-Amzn-Requestid", "req-42")
		w.WriteHeader(status)
		io.WriteString(w, body)
	}))
	t.Cleanup(srv.Close)
	return NewAPI(aws.Config{Region: "eu-west-1", BaseEndpoint: &srv.URL, Credentials: keys, RetryMaxAttempts: attempts}), &calls
}

// The shapes of the error table are those that the API's client gives.
func TestErrorsOfTheClient(t *testing.T) {
	noKeys := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, ownWords{} })
	tests := []struct {
		status int
		body   string
		keys   aws.CredentialsProvider
		state  string
		fault  fault
		words  string
		id     string
	}{
		{400, `{"__type":"TargetNotConnected","message":"i-0 is not connected."}`, staticKeys(), "08001", faultFinal, "not connected", "req-42"},
		{400, `{"__type":"com.amazon#AccessDeniedException","Message":"User: arn:x is not authorized to perform: ssm:StartSession on resource: arn:y"}`,
			staticKeys(), "08001", faultFinal, "access denied: User: arn:x", "identity arn:x"},
		{400, `{"__type":"ExpiredTokenException","message":"expired"}`, staticKeys(), "28000", faultCredentials, "starting: SSO session of dev expired", "req-42"},
		{400, `{"__type":"DoesNotExistException","message":"no"}`, staticKeys(), "08001", faultGone, "DoesNotExistException: no", "req-42"},
		{500, `{"__type":"InternalServerError","message":"oops"}`, staticKeys(), "08001", faultTransient, "internal error", "req-42"},
		{502, `<html>bad gateway</html>`, staticKeys(), "08001", faultTransient, "starting: ", "req-42"},
		{200, `{}`, noKeys, "28000", faultCredentials, "starting: SSO session of dev expired", ""},
	}
	for _, tt := range tests {
		t.Run(tt.words, func(t *testing.T) {
			client, _ := newClient(t, tt.status, tt.body, tt.keys, 1)
			api := explainedAPI{client, func(err error) error {
				if api, ok := errors.AsType[smithy.APIError](err); ok && api.ErrorCode() == "ExpiredTokenException" {
					return ownWords{err}
				}
				return err
			}}
			_, err := api.StartSession(t.Context(), StartSessionInput{Target: "i-0"})
			if err == nil {
				t.Fatal("no error")
			}
			e := testPlace.apiError("starting", "ssm:StartSession", err)
			if got := faultOf(err); got != tt.fault || e.SQLState() != tt.state || !strings.Contains(e.Error(), tt.words) || !strings.Contains(e.Detail(), tt.id) {
				t.Errorf("%v:\ngot fault %d, %s, %q, detail %q\nwant %d, %s, …%q…, …%q…", err, got, e.SQLState(), e, e.Detail(), tt.fault, tt.state, tt.words, tt.id)
			}
		})
	}
}

func TestResumeCallsTheAPIOncePerTry(t *testing.T) {
	client, calls := newClient(t, 500, `{"__type":"InternalServerError"}`, staticKeys(), 3)
	l := &line{api: client, session: "me-0a1b"}
	if _, err := l.callResume(t.Context()); faultOf(err) != faultTransient {
		t.Errorf("got %v, want a transient fault", err)
	}
	if n := calls.Load(); n != 1 {
		t.Errorf("%d requests for one try, want 1: the pace is ours", n)
	}
}
