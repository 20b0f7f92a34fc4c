package tunnel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/coder/websocket"

	"github.com/pgkeyless/pgkeyless/internal/awserror"
	"github.com/pgkeyless/pgkeyless/internal/clock"
	"github.com/pgkeyless/pgkeyless/internal/secret"
	"github.com/pgkeyless/pgkeyless/tunnel/datachannel"
)

const (
	// upgradeTimeout bounds DNS, TCP, TLS and the upgrade together. The official
	// client allows 45 s; a client waiting for its login should hear sooner, and a
	// session waiting to be resumed has better chances with another try.
	upgradeTimeout = 12 * time.Second

	// readLimit bounds one message. The agent's largest, a HandshakeRequest or
	// channel_closed, take a few KiB.
	readLimit = 1 << 20

	// usualMessage is room for a full data message (120 + 1024 bytes), so that
	// reading one takes one allocation.
	usualMessage = 1280
)

// emptyPayloadHash is the SHA-256 of nothing, the body of an upgrade.
const emptyPayloadHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// errSilent is why a socket that answers no ping is given up.
var errSilent = errors.New("websocket: no answer to a ping")

// upgradeError is an HTTP answer in place of the upgrade.
type upgradeError struct {
	Status int
	Clock  clock.Reading // by the answer's date
}

func (e *upgradeError) Error() string {
	return fmt.Sprintf("websocket upgrade answered %d %s", e.Status, http.StatusText(e.Status))
}

// websocketDialer opens the websockets of all sessions.
type websocketDialer struct {
	client      *http.Client // follows no redirect, keeps no cookie
	credentials aws.CredentialsProvider
	signer      *v4.Signer
	region      string
	override    string   // host name of the SSM endpoint override, "" for none
	messages    *url.URL // scheme and host in place of those of stream URLs, nil for none
	wall        func() time.Time
}

// newWebsocketDialer takes only the Transport of c: a redirect would carry the
// signature elsewhere, and the service sets no cookies.
func newWebsocketDialer(c *http.Client, credentials aws.CredentialsProvider, region, override string) *websocketDialer {
	client := &http.Client{Transport: c.Transport}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &websocketDialer{
		client:      client,
		credentials: credentials,
		signer:      v4.NewSigner(),
		region:      region,
		override:    override,
		wall:        time.Now,
	}
}

// dial upgrades to the websocket at streamURL, signs the request unless the URL
// is presigned, and sends the open message.
//
// The URL is dialled byte for byte as it stands, but for a host that the user has
// set: its cell-number holds raw "+" and "/". The errors are a *urlError, an *upgradeError, the credentials
// provider's, or the network's with no URL in its text.
//
// Source: plugin, src/communicator/websocketchannel.go.
func (d *websocketDialer) dial(ctx context.Context, streamURL string, open openMessage) (*socket, error) {
	override := d.override
	if d.messages != nil {
		override = strings.ToLower(d.messages.Hostname())
		streamURL = moved(streamURL, d.messages)
	}
	u, err := checkStreamURL(streamURL, override)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, upgradeTimeout)
	defer cancel()

	upgrade := &upgrade{transport: d.client.Transport}
	client := &http.Client{Transport: upgrade, CheckRedirect: d.client.CheckRedirect}
	opts := &websocket.DialOptions{HTTPClient: client, CompressionMode: websocket.CompressionDisabled}
	if !presigned(u) {
		if opts.HTTPHeader, opts.Host, err = d.sign(ctx, u); err != nil {
			return nil, err
		}
	}
	s := &socket{wall: d.wall}
	opts.OnPongReceived = func(context.Context, []byte) { s.arrived() }
	sent := time.Now()
	conn, resp, err := websocket.Dial(ctx, streamURL, opts)
	if err != nil {
		if resp != nil && resp.StatusCode != http.StatusSwitchingProtocols {
			return nil, &upgradeError{resp.StatusCode, clock.Read(resp.Header, sent, time.Now())}
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, awserror.WithoutURL(err)
	}
	conn.SetReadLimit(readLimit)
	body, err := open.json()
	if err == nil {
		err = conn.Write(ctx, websocket.MessageText, body)
	}
	if err != nil {
		conn.CloseNow()
		return nil, err
	}
	s.start(conn, upgrade.line)
	return s, nil
}

// sign makes the headers that authenticate the upgrade, and the Host they are
// valid for. It works on a copy of u: the signer reads a raw "+" of the query
// as a space and signs "%20", as the official client's does, and the service
// expects that; the query that is sent stays as it is.
func (d *websocketDialer) sign(ctx context.Context, u *url.URL) (http.Header, string, error) {
	credentials, err := d.credentials.Retrieve(ctx)
	if err != nil {
		return nil, "", &credentialsFailure{err}
	}
	copied := *u
	copied.Scheme = map[string]string{"ws": "http", "wss": "https"}[u.Scheme]
	req := &http.Request{Method: http.MethodGet, URL: &copied, Host: u.Host, Header: http.Header{}}
	if err := d.signer.SignHTTP(ctx, credentials, req, emptyPayloadHash, "ssmmessages", d.region, time.Now()); err != nil {
		return nil, "", fmt.Errorf("signing the websocket upgrade: %w", err)
	}
	return req.Header, req.Host, nil
}

// credentialsFailure marks an error as the credentials provider's.
type credentialsFailure struct{ err error }

func (e *credentialsFailure) Error() string { return e.err.Error() }
func (e *credentialsFailure) Unwrap() error { return e.err }

// openMessage authenticates a data channel. It is the first message on every
// websocket, and the only text one.
type openMessage struct {
	token         secret.Text // is written to the message and nowhere else
	clientID      string      // the same for the life of an SSM session
	clientVersion string
}

func (m openMessage) json() ([]byte, error) {
	return json.Marshal(struct{ MessageSchemaVersion, RequestId, TokenValue, ClientId, ClientVersion string }{
		MessageSchemaVersion: "1.0",
		RequestId:            datachannel.NewUUID().String(), // new for every connection
		TokenValue:           m.token.Reveal(),
		ClientId:             m.clientID,
		ClientVersion:        m.clientVersion,
	})
}

// socket is one open websocket as a datachannel.Transport. One goroutine may
// read and one may write; Close is for any.
//
// It owns a goroutine that pings, since start; Close waits for it.
type socket struct {
	conn     *websocket.Conn
	line     *corked          // beneath it
	wall     func() time.Time // the wall clock
	opened   time.Time
	arrivals atomic.Int64 // messages and pongs
	heard    atomic.Int64 // when the last of them came, in nanoseconds after opened
	messages atomic.Int64 // that arrived
	written  atomic.Int64 // messages
	silent   atomic.Bool  // given up for want of a pong

	readErr  error // the reader's end
	writeErr error // the writer's end

	stop    context.CancelFunc
	pinging sync.WaitGroup
}

func (s *socket) start(conn *websocket.Conn, line *corked) {
	ctx, stop := context.WithCancel(context.Background())
	s.conn, s.line, s.opened, s.stop = conn, line, time.Now(), stop
	s.pinging.Go(func() { s.ping(ctx) })
}

// ReadMessage returns the next message, text or binary, in a slice of the
// caller's own. It waits until there is one, the peer is gone or silent after a
// ping, or Close.
func (s *socket) ReadMessage() ([]byte, error) {
	p, err := s.readMessage()
	if err != nil {
		if s.silent.Load() {
			err = errSilent
		}
		s.readErr = err
	}
	return p, err
}

func (s *socket) readMessage() ([]byte, error) {
	_, r, err := s.conn.Reader(context.Background())
	if err != nil {
		return nil, err
	}
	p := make([]byte, 0, usualMessage)
	for {
		n, err := r.Read(p[len(p):cap(p)])
		p = p[:len(p)+n]
		if err == io.EOF {
			s.arrived()
			s.messages.Add(1)
			return p, nil
		}
		if err != nil {
			return nil, err
		}
		if len(p) == cap(p) {
			p = append(p, 0)[:len(p)]
		}
	}
}

// arrived notes a sign of life.
func (s *socket) arrived() {
	s.arrivals.Add(1)
	s.heard.Store(int64(time.Since(s.opened)))
}

// Heard is when the last message or pong came, or the socket was opened.
func (s *socket) Heard() time.Time { return s.opened.Add(time.Duration(s.heard.Load())) }

// WriteMessage makes p one binary message, which Flush sends.
func (s *socket) WriteMessage(p []byte) error {
	s.written.Add(1)
	s.line.hold()
	err := s.conn.Write(context.Background(), websocket.MessageBinary, p)
	if err != nil {
		s.writeErr = err
	}
	return err
}

// Flush sends in one write what WriteMessage has made since. It waits until the
// kernel has taken it, or Close.
func (s *socket) Flush() error {
	err := s.line.release()
	if err != nil {
		s.writeErr = err
	}
	return err
}

// loss is why the socket ended, and whether the service closed it in all form,
// as it does every hour. To be called when both sides have ended.
func (s *socket) loss() (err error, recycled bool) {
	switch websocket.CloseStatus(s.readErr) {
	case websocket.StatusNormalClosure, websocket.StatusGoingAway:
		return s.readErr, true
	}
	if s.writeErr != nil && (s.readErr == nil || errors.Is(s.readErr, net.ErrClosed)) {
		return s.writeErr, false // which ended the reader
	}
	return s.readErr, false
}

// Close drops the connection without a closing handshake, so that the service
// notices at once, and wakes both sides. The error is always nil.
func (s *socket) Close() error {
	s.stop()
	s.conn.CloseNow() // an error only says that it was closed before
	s.pinging.Wait()
	return nil
}

// ping keeps the connection alive at proxies and NATs, and drops it when
// nothing at all arrives in time after a ping; pulse says when. ReadMessage must
// be running for pongs to be seen.
func (s *socket) ping(ctx context.Context) {
	ticker := time.NewTicker(pulseEvery)
	defer ticker.Stop()
	pulse := newPulse(time.Now(), s.wall())
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		before := s.arrivals.Load()
		within := pulse.look(time.Now(), s.wall(), before, s.messages.Load()+s.written.Load())
		if within == 0 {
			continue
		}
		if s.pong(ctx, within) || ctx.Err() != nil || s.arrivals.Load() != before {
			pulse.rest(time.Now(), s.wall())
			continue
		}
		s.silent.Store(true)
		s.conn.CloseNow()
		return
	}
}

// pong sends a ping and reports whether its pong came in time. Also when the
// ping could not be written, for the line being busy, the time is waited out:
// something may arrive meanwhile.
func (s *socket) pong(ctx context.Context, within time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if s.conn.Ping(ctx) == nil {
		return true
	}
	<-ctx.Done()
	return false
}
