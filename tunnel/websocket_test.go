package tunnel

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/coder/websocket"

	"github.com/pgkeyless/pgkeyless/internal/iampolicy"
	"github.com/pgkeyless/pgkeyless/internal/secret"
)

const testURL = "ws://127.0.0.1:9/v1/data-channel/me@example.com-0a1b2c?role=publish_subscribe&cell-number=A+b/C+/d=="

func testDialer(n *pipeNet, credentials aws.CredentialsProvider) *websocketDialer {
	return newWebsocketDialer(n.client(), credentials, "eu-west-1", "127.0.0.1")
}

var testOpen = openMessage{token: secret.New("secret-token"), clientID: "c0ffee", clientVersion: "1.2.804.0"}

// accept upgrades and hands the websocket to f, which reads the open message
// itself.
func accept(t *testing.T, f func(ctx context.Context, r *http.Request, c *websocket.Conn)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Errorf("accept: %v", err)
			return
		}
		defer c.CloseNow()
		f(r.Context(), r, c)
	})
}

// drain reads until the client is gone, so that pings are answered.
func drain(c *websocket.Conn) {
	for {
		if _, _, err := c.Read(context.Background()); err != nil {
			return
		}
	}
}

func TestDialSendsURLByteForByte(t *testing.T) {
	tests := []string{
		testURL,
		"ws://127.0.0.1:9/v1/data-channel/user+tag=x,y-00?role=publish_subscribe&cell-number=+++///",
		"ws://127.0.0.1:9/v1/data-channel/user%40x-00?b=2&a=1&a=%2B",
		"ws://[::1]:9/v1/data-channel/x?role=publish_subscribe",
	}
	for _, url := range tests {
		t.Run(url, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := make(chan *http.Request, 1)
				n := serve(t, accept(t, func(_ context.Context, r *http.Request, c *websocket.Conn) { got <- r; drain(c) }))
				s, err := testDialer(n, staticKeys()).dial(t.Context(), url, testOpen)
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				r := <-got
				if sent := "ws://" + r.Host + r.RequestURI; sent != url {
					t.Errorf("dialled %q, want %q", sent, url)
				}
				for _, h := range []string{"Origin", "Cookie", "Sec-Websocket-Protocol", "Sec-Websocket-Extensions"} {
					if v := r.Header.Get(h); v != "" {
						t.Errorf("upgrade has %s: %q, want none", h, v)
					}
				}
			})
		})
	}
}

// TestUpgradeIsSigned computes the signature by hand from the canonical
// request that the service is known to expect: "+" in the query read as a space.
func TestUpgradeIsSigned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := make(chan *http.Request, 2)
		n := serve(t, accept(t, func(_ context.Context, r *http.Request, c *websocket.Conn) { got <- r; drain(c) }))
		d := testDialer(n, staticKeys())
		var dates []string
		for range 2 {
			s, err := d.dial(t.Context(), testURL, testOpen)
			if err != nil {
				t.Fatal(err)
			}
			s.Close()
			r := <-got
			date := r.Header.Get("X-Amz-Date")
			dates = append(dates, date)
			if len(date) != len("20060102T150405Z") {
				t.Fatalf("X-Amz-Date = %q", date)
			}
			canonical := strings.Join([]string{
				"GET",
				"/v1/data-channel/me%40example.com-0a1b2c",
				"cell-number=A%20b%2FC%20%2Fd%3D%3D&role=publish_subscribe",
				"host:127.0.0.1:9",
				"x-amz-date:" + date,
				"x-amz-security-token:" + testKeys.SessionToken,
				"",
				"host;x-amz-date;x-amz-security-token",
				hexSHA256(""),
			}, "\n")
			scope := date[:8] + "/eu-west-1/ssmmessages/aws4_request"
			key := []byte("AWS4" + testKeys.SecretAccessKey)
			for _, part := range []string{date[:8], "eu-west-1", "ssmmessages", "aws4_request",
				"AWS4-HMAC-SHA256\n" + date + "\n" + scope + "\n" + hexSHA256(canonical)} {
				h := hmac.New(sha256.New, key)
				io.WriteString(h, part)
				key = h.Sum(nil)
			}
			want := fmt.Sprintf("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/%s, SignedHeaders=host;x-amz-date;x-amz-security-token, Signature=%x", scope, key)
			if auth := r.Header.Get("Authorization"); auth != want {
				t.Errorf("Authorization = %q, want %q", auth, want)
			}
			if tok := r.Header.Get("X-Amz-Security-Token"); tok != testKeys.SessionToken {
				t.Errorf("X-Amz-Security-Token = %q, want %q", tok, testKeys.SessionToken)
			}
			time.Sleep(time.Hour)
		}
		if dates[0] == dates[1] {
			t.Errorf("both dials signed at %s, want each anew", dates[0])
		}
	})
}

func hexSHA256(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func TestPresignedURLIsNotSigned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := make(chan *http.Request, 1)
		n := serve(t, accept(t, func(_ context.Context, r *http.Request, c *websocket.Conn) { got <- r; drain(c) }))
		s, err := testDialer(n, staticKeys()).dial(t.Context(), testURL+"&X-Amz-Signature=00", testOpen)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		r := <-got
		for _, h := range []string{"Authorization", "X-Amz-Date", "X-Amz-Security-Token"} {
			if v := r.Header.Get(h); v != "" {
				t.Errorf("presigned upgrade has %s: %q, want none", h, v)
			}
		}
	})
}

func TestOpenMessageHasFiveFields(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type opened struct {
			typ  websocket.MessageType
			body []byte
		}
		got := make(chan opened, 2)
		n := serve(t, accept(t, func(ctx context.Context, _ *http.Request, c *websocket.Conn) {
			typ, body, _ := c.Read(ctx)
			got <- opened{typ, body}
		}))
		seen := map[string]bool{}
		for range 2 {
			s, err := testDialer(n, staticKeys()).dial(t.Context(), testURL, testOpen)
			if err != nil {
				t.Fatal(err)
			}
			s.Close()
			o := <-got
			var fields map[string]string
			if err := json.Unmarshal(o.body, &fields); err != nil || o.typ != websocket.MessageText {
				t.Fatalf("open message %s %q: %v", o.typ, o.body, err)
			}
			id := fields["RequestId"]
			if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(id) || seen[id] {
				t.Errorf("RequestId %q, want a new version 4 UUID", id)
			}
			seen[id] = true
			delete(fields, "RequestId")
			want := map[string]string{"MessageSchemaVersion": "1.0", "TokenValue": "secret-token", "ClientId": "c0ffee", "ClientVersion": "1.2.804.0"}
			if fmt.Sprint(fields) != fmt.Sprint(want) {
				t.Errorf("open message %v, want %v and a RequestId", fields, want)
			}
		}
	})
}

func TestMessagesBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		big := bytes.Repeat([]byte("x"), readLimit)
		n := serve(t, accept(t, func(ctx context.Context, _ *http.Request, c *websocket.Conn) {
			c.Read(ctx)
			c.Write(ctx, websocket.MessageText, []byte("text"))
			c.Write(ctx, websocket.MessageBinary, big)
			typ, p, err := c.Read(ctx)
			if err != nil || typ != websocket.MessageBinary || string(p) != "out" {
				t.Errorf("server read %s %q, %v, want binary \"out\"", typ, p, err)
			}
			c.Write(ctx, websocket.MessageBinary, append(big, 'x'))
			drain(c)
		}))
		s, err := testDialer(n, staticKeys()).dial(t.Context(), testURL, testOpen)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for _, want := range [][]byte{[]byte("text"), big} {
			if p, err := s.ReadMessage(); err != nil || !bytes.Equal(p, want) {
				t.Errorf("read %d bytes, %v, want %d", len(p), err, len(want))
			}
		}
		if err := send(s, "out"); err != nil {
			t.Error(err)
		}
		if p, err := s.ReadMessage(); !errors.Is(err, websocket.ErrMessageTooBig) {
			t.Errorf("message over the limit: %d bytes, %v, want %v", len(p), err, websocket.ErrMessageTooBig)
		}
	})
}

// send sends messages at once.
func send(s *socket, messages ...string) error {
	for _, m := range messages {
		if err := s.WriteMessage([]byte(m)); err != nil {
			return err
		}
	}
	return s.Flush()
}

func TestFlushIsOneWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var want []string
		for i := range 14 {
			want = append(want, strings.Repeat(string(rune('a'+i)), 1144))
		}
		read := make(chan string)
		n := serve(t, accept(t, func(ctx context.Context, _ *http.Request, c *websocket.Conn) {
			c.Read(ctx)
			for {
				_, p, err := c.Read(ctx)
				if err != nil {
					return
				}
				read <- string(p)
			}
		}))
		client := n.client()
		dial := client.Transport.(*http.Transport).DialContext
		var writes atomic.Int64
		client.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := dial(ctx, network, address)
			return countedConn{c, &writes}, err
		}
		s, err := newWebsocketDialer(client, staticKeys(), "eu-west-1", "127.0.0.1").dial(t.Context(), testURL, testOpen)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		before := writes.Load()
		sent := make(chan error)
		go func() { sent <- send(s, want...) }()
		for i := range want {
			if got := <-read; got != want[i] {
				t.Errorf("message %d is %.10q…, want %.10q…", i, got, want[i])
			}
		}
		if err := <-sent; err != nil {
			t.Error(err)
		}
		if got := writes.Load() - before; got != 1 {
			t.Errorf("%d messages took %d writes, want 1", len(want), got)
		}
	})
}

// countedConn counts writes.
type countedConn struct {
	net.Conn
	writes *atomic.Int64
}

func (c countedConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// A ping must not wait for what cannot be written: its time would run out, and that
// closes the websocket.
func TestPingDoesNotWaitForAStuckWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		defer server.Close()
		defer client.Close()
		c := &corked{ReadWriteCloser: client}
		c.hold()
		if _, err := c.Write([]byte("message ")); err != nil {
			t.Fatal(err)
		}
		released := make(chan error)
		go func() { released <- c.release() }()
		synctest.Wait() // nobody reads
		start := time.Now()
		if _, err := c.Write([]byte("ping ")); err != nil || time.Since(start) > 0 {
			t.Errorf("the ping is written after %v, %v", time.Since(start), err)
		}
		p := make([]byte, 64)
		for _, want := range []string{"message ", "ping "} {
			if n, err := server.Read(p); err != nil || string(p[:n]) != want {
				t.Errorf("read %q, %v, want %q", p[:n], err, want)
			}
		}
		if err := <-released; err != nil {
			t.Error(err)
		}
		go c.Write([]byte("later"))
		if n, err := server.Read(p); err != nil || string(p[:n]) != "later" {
			t.Errorf("read %q, %v, want what is written with nothing held", p[:n], err)
		}
	})
}

func TestDialErrors(t *testing.T) {
	status := func(code int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "http://elsewhere.invalid/")
			w.WriteHeader(code)
		})
	}
	hang := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	noKeys := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{}, errors.New("sso expired")
	})
	tests := []struct {
		name        string
		handler     http.Handler
		credentials aws.CredentialsProvider
		url         string
		want        string
		state       string
		hint        string
	}{
		{"forbidden", status(403), staticKeys(), testURL, "refused with 403 Forbidden", "08001", "ssmmessages:OpenDataChannel"},
		{"redirect is not followed", status(302), staticKeys(), testURL, "refused with 302 Found", "08001", "HTTPS_PROXY"},
		{"service fault", status(503), staticKeys(), testURL, "503", "08001", "health"},
		{"no upgrade", status(200), staticKeys(), testURL, "refused with 200 OK", "08001", "websockets"},
		{"hanging upgrade", hang, staticKeys(), testURL, "in time", "08001", "network"},
		{"no credentials", status(200), noKeys, testURL, "no usable AWS credentials: sso expired", "28000", "aws sts get-caller-identity"},
		{"foreign host", status(200), staticKeys(), "wss://evil.example/x", "not an ssmmessages endpoint", "08001", "AWS_ENDPOINT_URL_SSM"},
	}
	p := place{target: "i-0abc", region: "eu-west-1", document: iampolicy.RemoteHostDocument, address: "db:5432"}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := serve(t, tt.handler)
				start := time.Now()
				s, err := testDialer(n, tt.credentials).dial(t.Context(), tt.url, testOpen)
				if err == nil {
					s.Close()
					t.Fatal("dial succeeded")
				}
				e := p.dialError("starting", err)
				if !strings.Contains(e.Error(), tt.want) || e.SQLState() != tt.state || !strings.Contains(e.Hint(), tt.hint) {
					t.Errorf("got %q, %s, hint %q; want …%q…, %s, hint …%q…", e, e.SQLState(), e.Hint(), tt.want, tt.state, tt.hint)
				}
				if strings.Contains(e.Error(), "cell-number") || strings.Contains(err.Error(), "cell-number") {
					t.Errorf("error tells the URL: %q from %q", e, err)
				}
				if took := time.Since(start); took > upgradeTimeout {
					t.Errorf("took %v, want at most %v", took, upgradeTimeout)
				}
			})
		})
	}
}

func TestDialEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if _, err := testDialer(n, staticKeys()).dial(ctx, testURL, testOpen); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("took %v, want 1s", took)
		}
	})
}

func TestUpgradeOutlivesItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := serve(t, accept(t, func(ctx context.Context, _ *http.Request, c *websocket.Conn) {
			c.Read(ctx)
			time.Sleep(time.Hour)
			c.Write(ctx, websocket.MessageBinary, []byte("late"))
			drain(c)
		}))
		ctx, cancel := context.WithCancel(t.Context())
		s, err := testDialer(n, staticKeys()).dial(ctx, testURL, testOpen)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		s.stop() // no pings: the server sleeps
		if p, err := s.ReadMessage(); err != nil || string(p) != "late" {
			t.Errorf("got %q, %v, want \"late\"", p, err)
		}
	})
}

func TestPingsKeepASocketThatAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := serve(t, accept(t, func(ctx context.Context, _ *http.Request, c *websocket.Conn) { drain(c) }))
		s, err := testDialer(n, staticKeys()).dial(t.Context(), testURL, testOpen)
		if err != nil {
			t.Fatal(err)
		}
		read := make(chan error, 1)
		go func() { _, err := s.ReadMessage(); read <- err }()
		time.Sleep(10 * pingEvery)
		synctest.Wait()
		select {
		case err := <-read:
			t.Errorf("socket ended with %v", err)
		default:
		}
		if got, want := s.arrivals.Load(), int64(10); got != want {
			t.Errorf("%d pongs after 10 intervals, want %d", got, want)
		}
		s.Close()
		if err := <-read; !errors.Is(err, net.ErrClosed) {
			t.Errorf("read after Close: %v, want %v", err, net.ErrClosed)
		}
	})
}

func TestSilentSocketIsDropped(t *testing.T) {
	mute := &websocket.AcceptOptions{OnPingReceived: func(context.Context, []byte) bool { return false }}
	for name, read := range map[string]bool{"swallows everything": true, "takes nothing": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				n := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					c, err := websocket.Accept(w, r, mute)
					if err != nil {
						t.Error(err)
						return
					}
					defer c.CloseNow()
					c.Read(r.Context())
					if read {
						drain(c)
					}
					<-release
				}))
				defer close(release)
				s, err := testDialer(n, staticKeys()).dial(t.Context(), testURL, testOpen)
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				start := time.Now()
				if _, err := s.ReadMessage(); err == nil || read && !errors.Is(err, errSilent) {
					t.Errorf("got %v, want %v", err, errSilent)
				}
				if took := time.Since(start); took <= pingEvery || took > pingEvery+deadAfter {
					t.Errorf("dropped after %v, want after %v and at most %v", took, pingEvery, pingEvery+deadAfter)
				}
			})
		})
	}
}

func TestDataCountsAsSignOfLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
				OnPingReceived: func(context.Context, []byte) bool { return false },
			})
			if err != nil {
				t.Error(err)
				return
			}
			defer c.CloseNow()
			go drain(c)
			for range 30 {
				time.Sleep(7 * time.Second)
				if c.Write(r.Context(), websocket.MessageBinary, []byte("data")) != nil {
					return
				}
			}
		}))
		s, err := testDialer(n, staticKeys()).dial(t.Context(), testURL, testOpen)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for i := range 30 {
			if _, err := s.ReadMessage(); err != nil {
				t.Fatalf("message %d: %v", i, err)
			}
		}
	})
}

func TestCloseWakesReaderAndWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		n := serve(t, accept(t, func(ctx context.Context, _ *http.Request, c *websocket.Conn) {
			c.Read(ctx)
			<-release // reads nothing: the pipe has no buffer, writes block
		}))
		defer close(release)
		s, err := testDialer(n, staticKeys()).dial(t.Context(), testURL, testOpen)
		if err != nil {
			t.Fatal(err)
		}
		errs := make(chan error, 2)
		go func() { _, err := s.ReadMessage(); errs <- err }()
		go func() { errs <- send(s, strings.Repeat("x", 1<<16)) }()
		synctest.Wait()
		s.Close()
		for range 2 {
			if err := <-errs; err == nil {
				t.Error("blocked call returned nil after Close")
			}
		}
		s.Close() // once more does nothing
	})
}
