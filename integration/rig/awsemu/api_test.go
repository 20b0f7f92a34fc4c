package awsemu

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

// errorCode is the AWS code of an SDK error, "" for none.
func errorCode(err error) string {
	var apiErr smithy.APIError
	if errors.As(err, &apiErr) {
		return apiErr.ErrorCode()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func TestStartSession(t *testing.T) {
	e := startEmulator(t, Config{Targets: map[string]bool{testTarget: true, "i-00000000": false}})
	change := func(f func(*ssm.StartSessionInput)) *ssm.StartSessionInput {
		in := startInput("db.internal", "5432")
		f(in)
		return in
	}
	tests := []struct {
		name string
		in   *ssm.StartSessionInput
		want string
	}{
		{"good", startInput("db.internal", "5432"), ""},
		{"no reason", change(func(in *ssm.StartSessionInput) { in.Reason = nil }), ""},
		{"offline", change(func(in *ssm.StartSessionInput) { in.Target = aws.String("i-00000000") }), "TargetNotConnected"},
		{"unknown target", change(func(in *ssm.StartSessionInput) { in.Target = aws.String("i-11111111") }), "TargetNotConnected"},
		{"empty reason", change(func(in *ssm.StartSessionInput) { in.Reason = aws.String("") }), "ValidationException"},
		{"long reason", change(func(in *ssm.StartSessionInput) { in.Reason = aws.String(strings.Repeat("x", 257)) }), "ValidationException"},
		{"two lines of reason", change(func(in *ssm.StartSessionInput) { in.Reason = aws.String("a\nb") }), "ValidationException"},
		{"shell", change(func(in *ssm.StartSessionInput) { in.DocumentName = nil }), "InvalidDocument"},
		{"passes portNumber", change(func(in *ssm.StartSessionInput) { delete(in.Parameters, "portNumber") }), "InvalidParameters"},
		{"bad port", change(func(in *ssm.StartSessionInput) { in.Parameters["portNumber"] = []string{"65536"} }), "InvalidParameters"},
		{"no host", change(func(in *ssm.StartSessionInput) { delete(in.Parameters, "host") }), "InvalidParameters"},
		{"two hosts", change(func(in *ssm.StartSessionInput) { in.Parameters["host"] = []string{"a", "b"} }), "InvalidParameters"},
		{"host for the local document", change(func(in *ssm.StartSessionInput) { in.DocumentName = aws.String(documentLocal) }), "InvalidParameters"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, err := api(e, testKey, testSecret).StartSession(t.Context(), tt.in)
			if got := errorCode(err); got != tt.want {
				t.Fatalf("error %q, want %q", got, tt.want)
			}
			if err == nil && (!strings.HasPrefix(*out.SessionId, "alice-") || len(*out.TokenValue) != 512 ||
				!strings.Contains(*out.StreamUrl, "+") || !strings.HasPrefix(*out.StreamUrl, "ws://127.0.0.1:")) {
				t.Errorf("answer %q %q, token of %d characters", *out.SessionId, *out.StreamUrl, len(*out.TokenValue))
			}
		})
	}
	if got := e.OpenSessions(); got != 2 {
		t.Errorf("%d open sessions, want 2", got)
	}
}

// TestSignature lets the SDK's signer be right and wrong.
func TestSignature(t *testing.T) {
	e := startEmulator(t, Config{Callers: map[string]Caller{
		testKey:    {SecretAccessKey: testSecret, ARN: testARN},
		"ASIATEMP": {SecretAccessKey: "s", SessionToken: "session/token+", ARN: "arn:aws:sts::123456789012:assumed-role/dev/bob@example.com"},
		"ASIAOLD":  {SecretAccessKey: "s", SessionToken: "old", ARN: testARN, Expired: true},
	}})
	tests := []struct {
		name, key, secret, token, region string
		want, wantSTS                    string
	}{
		{"long-term key", testKey, testSecret, "", "us-east-1", "", ""},
		{"temporary key", "ASIATEMP", "s", "session/token+", "us-east-1", "", ""},
		{"wrong secret", testKey, "other", "", "us-east-1", "InvalidSignatureException", "SignatureDoesNotMatch"},
		{"unknown key", "AKIAUNKNOWN", "s", "", "us-east-1", "UnrecognizedClientException", "InvalidClientTokenId"},
		{"wrong session token", "ASIATEMP", "s", "other", "us-east-1", "UnrecognizedClientException", "InvalidClientTokenId"},
		{"expired", "ASIAOLD", "s", "old", "us-east-1", "ExpiredTokenException", "ExpiredToken"},
		{"other region", testKey, testSecret, "", "eu-west-1", "InvalidSignatureException", "SignatureDoesNotMatch"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			creds := credentials.NewStaticCredentialsProvider(tt.key, tt.secret, tt.token)
			_, err := ssm.New(ssm.Options{Region: tt.region, BaseEndpoint: aws.String(e.URL()), Credentials: creds}).
				StartSession(t.Context(), startInput("db.internal", "5432"))
			if got := errorCode(err); got != tt.want {
				t.Errorf("StartSession: error %q, want %q", got, tt.want)
			}
			who, err := sts.New(sts.Options{Region: tt.region, BaseEndpoint: aws.String(e.URL()), Credentials: creds}).
				GetCallerIdentity(t.Context(), nil)
			if got := errorCode(err); got != tt.wantSTS {
				t.Errorf("GetCallerIdentity: error %q, want %q", got, tt.wantSTS)
			}
			if err == nil && (*who.Arn != e.cfg.Callers[tt.key].ARN || *who.Account != "123456789012" || *who.UserId != tt.key) {
				t.Errorf("identity %q %q %q", *who.Arn, *who.Account, *who.UserId)
			}
		})
	}
}

// TestSignatureTampering changes a signed request on its way.
func TestSignatureTampering(t *testing.T) {
	e := startEmulator(t, Config{})
	tests := []struct {
		name   string
		change func(*http.Request)
		want   string
	}{
		{"nothing", func(*http.Request) {}, ""},
		{"body", func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(`{"Target":"i-11111111"}`)), 23
		}, "InvalidSignatureException"},
		{"query", func(r *http.Request) { r.URL.RawQuery = "a=b" }, "InvalidSignatureException"},
		{"operation", func(r *http.Request) { r.Header.Set("X-Amz-Target", "AmazonSSM.DescribeSessions") }, "InvalidSignatureException"},
		{"unsigned header", func(r *http.Request) { r.Header.Set("X-Amz-Extra", "1") }, "InvalidSignatureException"},
		{"date", func(r *http.Request) {
			signed, _ := time.Parse(sigDate, r.Header.Get("X-Amz-Date"))
			r.Header.Set("X-Amz-Date", signed.Add(-time.Second).Format(sigDate))
		}, "InvalidSignatureException"},
		{"old date", func(r *http.Request) {
			r.Header.Set("X-Amz-Date", time.Now().UTC().Format("20060102")+"T000000Z")
		}, "InvalidSignatureException"},
		{"no signature", func(r *http.Request) { r.Header.Del("Authorization") }, "MissingAuthenticationTokenException"},
		{"half a signature", func(r *http.Request) { r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=a/b") }, "IncompleteSignatureException"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client := ssm.New(ssm.Options{
				Region: "us-east-1", BaseEndpoint: aws.String(e.URL()), RetryMaxAttempts: 1,
				Credentials: credentials.NewStaticCredentialsProvider(testKey, testSecret, ""),
				HTTPClient: roundTrip(func(r *http.Request) (*http.Response, error) {
					tt.change(r)
					return http.DefaultClient.Do(r)
				}),
			})
			_, err := client.GetConnectionStatus(t.Context(), &ssm.GetConnectionStatusInput{Target: aws.String(testTarget)})
			if got := errorCode(err); got != tt.want {
				t.Errorf("error %q, want %q", got, tt.want)
			}
		})
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) Do(r *http.Request) (*http.Response, error) { return f(r) }

func TestResumeAndTerminate(t *testing.T) {
	e := startEmulator(t, Config{})
	c := api(e, testKey, testSecret)
	out, err := c.StartSession(t.Context(), startInput("db.internal", "5432"))
	if err != nil {
		t.Fatal(err)
	}
	resumed, err := c.ResumeSession(t.Context(), &ssm.ResumeSessionInput{SessionId: out.SessionId})
	if err != nil || aws.ToString(resumed.TokenValue) == "" || *resumed.TokenValue == *out.TokenValue || *resumed.StreamUrl != *out.StreamUrl {
		t.Errorf("resume: %v, %v; want a new token and the same URL", resumed, err)
	}
	for range 2 { // the second time it has ended already
		ended, err := c.TerminateSession(t.Context(), &ssm.TerminateSessionInput{SessionId: out.SessionId})
		if err != nil || *ended.SessionId != *out.SessionId {
			t.Errorf("terminate: %v, %v", ended, err)
		}
	}
	if resumed, err = c.ResumeSession(t.Context(), &ssm.ResumeSessionInput{SessionId: out.SessionId}); err != nil || resumed.TokenValue != nil {
		t.Errorf("resume of an ended session: token %v, %v; want none", resumed.TokenValue, err)
	}
	_, err = c.ResumeSession(t.Context(), &ssm.ResumeSessionInput{SessionId: aws.String("alice-0")})
	if got := errorCode(err); got != "DoesNotExistException" {
		t.Errorf("resume of an unknown session: error %q", got)
	}
}

func TestDescribeSessions(t *testing.T) {
	e := startEmulator(t, Config{})
	c := api(e, testKey, testSecret)
	var ids []string
	for range 2 {
		out, err := c.StartSession(t.Context(), startInput("db.internal", "5432"))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, *out.SessionId)
	}
	if !e.TerminateSession(ids[0], "") || e.TerminateSession(ids[0], "") {
		t.Error("a session ends once")
	}
	for state, want := range map[types.SessionState]string{types.SessionStateActive: ids[1], types.SessionStateHistory: ids[0]} {
		out, err := c.DescribeSessions(t.Context(), &ssm.DescribeSessionsInput{
			State:   state,
			Filters: []types.SessionFilter{{Key: types.SessionFilterKeyTargetId, Value: aws.String(testTarget)}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Sessions) != 1 || *out.Sessions[0].SessionId != want || *out.Sessions[0].Owner != testARN || out.Sessions[0].StartDate == nil {
			t.Errorf("%s: %+v, want %s", state, out.Sessions, want)
		}
	}
}

func TestFailNext(t *testing.T) {
	e := startEmulator(t, Config{})
	e.FailNext("StartSession", "ThrottlingException", "Rate exceeded", 2)
	e.FailNext("ResumeSession", "InternalServerError", "", -1)
	c := api(e, testKey, testSecret)
	var got []string
	for range 3 {
		_, err := c.StartSession(t.Context(), startInput("db.internal", "5432"))
		got = append(got, errorCode(err))
	}
	if want := "ThrottlingException ThrottlingException "; strings.Join(got, " ") != want {
		t.Errorf("StartSession gives %q, want %q", got, want)
	}
	_, err := c.ResumeSession(t.Context(), &ssm.ResumeSessionInput{SessionId: aws.String("x")})
	if got := errorCode(err); got != "InternalServerError" {
		t.Errorf("ResumeSession gives %q", got)
	}
}

func TestSetOnline(t *testing.T) {
	e := startEmulator(t, Config{})
	status := func() types.ConnectionStatus {
		out, err := api(e, testKey, testSecret).GetConnectionStatus(t.Context(), &ssm.GetConnectionStatusInput{Target: aws.String(testTarget)})
		if err != nil {
			t.Fatal(err)
		}
		return out.Status
	}
	if got := status(); got != types.ConnectionStatusConnected {
		t.Errorf("at first %s", got)
	}
	e.SetOnline(testTarget, false)
	if got := status(); got != types.ConnectionStatusNotConnected {
		t.Errorf("offline: %s", got)
	}
	e.SetOnline(testTarget, true)
	if got := status(); got != types.ConnectionStatusConnected {
		t.Errorf("online again: %s", got)
	}
}
