package tunnel_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/pgkeyless/pgkeyless/tunnel"
	"github.com/pgkeyless/pgkeyless/tunnel/datachannel"
)

// service is Systems Manager in memory, as far as the examples need it: one agent
// per session, whose targets send back what they get.
type service struct {
	refuse error // what StartSession gives

	conns  chan net.Conn
	closed chan struct{}
	server http.Server
	served sync.WaitGroup
}

func newService() *service {
	s := &service{conns: make(chan net.Conn), closed: make(chan struct{})}
	s.server.Handler = s
	s.served.Go(func() { s.server.Serve(listener{s}) })
	return s
}

func (s *service) Close() {
	s.server.Close()
	s.served.Wait()
}

// DialContext leads to the service, whatever the address.
func (s *service) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case s.conns <- server:
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// listener takes the connections of DialContext.
type listener struct{ *service }

func (l listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l listener) Close() error   { close(l.closed); return nil }
func (l listener) Addr() net.Addr { return &net.UnixAddr{Net: "pipe"} }

func (s *service) StartSession(context.Context, tunnel.StartSessionInput) (tunnel.SessionOutput, error) {
	if s.refuse != nil {
		return tunnel.SessionOutput{}, s.refuse
	}
	return tunnel.SessionOutput{
		SessionID:  "ada-0123456789abcdef0",
		StreamURL:  "ws://127.0.0.1:9/v1/data-channel/ada-0123456789abcdef0?role=publish_subscribe",
		TokenValue: "token",
	}, nil
}

func (s *service) ResumeSession(context.Context, string) (tunnel.SessionOutput, error) {
	return tunnel.SessionOutput{}, nil // over
}

func (s *service) TerminateSession(context.Context, string) error { return nil }

// ServeHTTP is a data channel with its agent, which asks for the handshake,
// acknowledges all that comes, and sends stream bytes back: smux frames look the
// same both ways.
func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer c.CloseNow()
	ctx := context.Background()
	c.Read(ctx) // the open message, with the token
	out := make(chan datachannel.Message, 100)
	var writer sync.WaitGroup
	defer writer.Wait()
	defer close(out)
	writer.Go(func() {
		for m := range out {
			m.Schema, m.Created = 1, uint64(time.Now().UnixMilli())
			c.Write(ctx, websocket.MessageBinary, datachannel.Append(nil, &m))
		}
	})
	var next, expected int64 // numbers of the agent's, and of the client
	send := func(payloadType datachannel.PayloadType, payload []byte) {
		out <- datachannel.Message{Type: datachannel.TypeOutput, Seq: next, PayloadType: payloadType, Payload: payload}
		next++
	}
	send(datachannel.PayloadHandshakeRequest, []byte(`{"AgentVersion":"3.3.987.0","RequestedClientActions":[{"ActionType":"SessionType",`+
		`"ActionParameters":{"SessionType":"Port","Properties":{"type":"LocalPortForwarding"}}}]}`))
	for {
		_, frame, err := c.Read(ctx)
		if err != nil {
			return
		}
		m, err := datachannel.Parse(frame)
		if err != nil || m.Type != datachannel.TypeInput {
			continue // an acknowledge, say
		}
		out <- datachannel.Message{Type: datachannel.TypeAcknowledge, Flags: 3, Payload: fmt.Appendf(nil,
			`{"AcknowledgedMessageType":%q,"AcknowledgedMessageId":%q,"AcknowledgedMessageSequenceNumber":%d,"IsSequentialMessage":true}`,
			m.Type, m.ID, m.Seq)}
		if m.Seq != expected {
			continue // once more
		}
		expected++
		switch m.PayloadType {
		case datachannel.PayloadHandshakeResponse:
			send(datachannel.PayloadHandshakeComplete, []byte(`{}`))
		case datachannel.PayloadOutput:
			send(datachannel.PayloadOutput, m.Payload)
		}
	}
}
