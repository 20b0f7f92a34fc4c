package awsemu

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/coder/websocket"

	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu/gateway"
)

const (
	testKey    = "AKIAEXAMPLEEXAMPLE00"
	testSecret = "secret+key/for=tests"
	testARN    = "arn:aws:iam::123456789012:user/alice"
	testTarget = "i-0123456789abcdef0"
)

// startEmulator runs an emulator for the test, without the agent's pace.
func startEmulator(t testing.TB, cfg Config) *Emulator {
	t.Helper()
	if cfg.Callers == nil {
		cfg.Callers = map[string]Caller{testKey: {SecretAccessKey: testSecret, ARN: testARN}}
	}
	cfg.Pace = -1
	cfg.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	e, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// api is a genuine SDK client.
func api(e *Emulator, key, secret string) *ssm.Client {
	return ssm.New(ssm.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(e.URL()), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(key, secret, ""),
	})
}

func startInput(host, port string) *ssm.StartSessionInput {
	return &ssm.StartSessionInput{
		Target: aws.String(testTarget), DocumentName: aws.String(documentRemoteHost), Reason: aws.String("test"),
		Parameters: map[string][]string{"host": {host}, "portNumber": {port}, "localPortNumber": {"0"}},
	}
}

func startSession(t *testing.T, e *Emulator) *ssm.StartSessionOutput {
	t.Helper()
	out, err := api(e, testKey, testSecret).StartSession(t.Context(), startInput("127.0.0.1", "1"))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// dialSigned signs the parsed copy of address and dials address itself.
func dialSigned(ctx context.Context, address, secret string) (*websocket.Conn, *http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, nil, err
	}
	creds := aws.Credentials{AccessKeyID: testKey, SecretAccessKey: secret}
	empty := hexSum(nil)
	if err := v4.NewSigner().SignHTTP(ctx, creds, req, empty, "ssmmessages", "us-east-1", time.Now()); err != nil {
		return nil, nil, err
	}
	return websocket.Dial(ctx, address, &websocket.DialOptions{HTTPHeader: req.Header})
}

func TestUpgradeRefused(t *testing.T) {
	e := startEmulator(t, Config{})
	out := startSession(t, e)
	status := func(url, secret string) int {
		conn, resp, err := dialSigned(t.Context(), url, secret)
		if err == nil {
			_ = conn.CloseNow()
			return http.StatusSwitchingProtocols
		}
		if resp == nil {
			t.Fatal(err)
		}
		return resp.StatusCode
	}
	if got := status(*out.StreamUrl, "other"); got != http.StatusForbidden {
		t.Errorf("wrong secret: status %d", got)
	}
	if got := status(strings.Replace(*out.StreamUrl, *out.SessionId, "alice-0", 1), testSecret); got != http.StatusBadRequest {
		t.Errorf("unknown session: status %d", got)
	}
	if got := status(strings.Replace(*out.StreamUrl, "publish_subscribe", "publish", 1), testSecret); got != http.StatusBadRequest {
		t.Errorf("wrong role: status %d", got)
	}
	e.RefuseUpgrades(403, 1)
	if got := status(*out.StreamUrl, testSecret); got != http.StatusForbidden {
		t.Errorf("refused once: status %d", got)
	}
	if got := status(*out.StreamUrl, testSecret); got != http.StatusSwitchingProtocols {
		t.Errorf("after the refusal: status %d", got)
	}
	for _, v := range e.Violations() {
		t.Error("violation:", v)
	}
	if _, resp, err := websocket.Dial(t.Context(), *out.StreamUrl, nil); err == nil || resp.StatusCode != http.StatusForbidden {
		t.Errorf("unsigned: %v, %v", resp, err)
	}
}

func TestUnsignedUpgrade(t *testing.T) {
	e := startEmulator(t, Config{Config: gateway.Config{AllowUnsigned: true}})
	out := startSession(t, e)
	conn, _, err := websocket.Dial(t.Context(), *out.StreamUrl, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.CloseNow()
	if _, _, err := dialSigned(t.Context(), *out.StreamUrl, "other"); err == nil {
		t.Error("a wrong signature was accepted")
	}
}

func TestResumeFaults(t *testing.T) {
	e := startEmulator(t, Config{})
	started := startSession(t, e)
	e.SlowNext("ResumeSession", 50*time.Millisecond, 1)
	e.EndOnResume(1)
	begin := time.Now()
	out, err := api(e, testKey, testSecret).ResumeSession(t.Context(), &ssm.ResumeSessionInput{SessionId: started.SessionId})
	if err != nil || out.TokenValue != nil || time.Since(begin) < 50*time.Millisecond {
		t.Errorf("ResumeSession: %+v, %v after %v", out, err, time.Since(begin))
	}
	if got := e.Sessions()[0].Ending; got != gateway.EndOperator {
		t.Errorf("the session ended by %q, want %q", got, gateway.EndOperator)
	}
	again := startSession(t, e)
	out, err = api(e, testKey, testSecret).ResumeSession(t.Context(), &ssm.ResumeSessionInput{SessionId: again.SessionId})
	if err != nil || aws.ToString(out.TokenValue) == "" {
		t.Errorf("ResumeSession of the next: %+v, %v; want a token", out, err)
	}
}
