package datachannel_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/pgkeyless/pgkeyless/tunnel/datachannel"
	"github.com/pgkeyless/pgkeyless/tunnel/mux"
)

// A Conn carries the streams of a Mux to an agent, here one in memory whose
// targets send back what they get.
func Example() {
	streams := mux.New(mux.Config{})
	conn, err := datachannel.New(datachannel.Config{
		Stream: streams,
		// Called once more each time that the transport is lost.
		Connect: func(context.Context) (datachannel.Transport, error) {
			ours, theirs := net.Pipe()
			go agent(pipe{theirs})
			return pipe{ours}, nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ended := make(chan error)
	go func() { ended <- conn.Run(context.Background()) }()

	<-conn.Ready()
	fmt.Println("agent", conn.AgentVersion())
	stream, err := streams.OpenStream()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Fprint(stream, "select 1")
	answer := make([]byte, len("select 1"))
	_, err = io.ReadFull(stream, answer)
	fmt.Printf("%s, %v\n", answer, err)

	fmt.Println("terminated:", conn.Terminate(context.Background()))
	fmt.Println("run:", <-ended)

	// Output:
	// agent 3.3.987.0
	// select 1, <nil>
	// terminated: <nil>
	// run: the SSM session was terminated
}

// pipe is a Transport in the place of a websocket: messages of up to 64 KiB, each
// behind its length.
type pipe struct{ net.Conn }

func (p pipe) ReadMessage() ([]byte, error) {
	var length [2]byte
	if _, err := io.ReadFull(p, length[:]); err != nil {
		return nil, err
	}
	message := make([]byte, int(length[0])<<8|int(length[1]))
	_, err := io.ReadFull(p, message)
	return message, err
}

func (p pipe) WriteMessage(message []byte) error {
	_, err := p.Write(append([]byte{byte(len(message) >> 8), byte(len(message))}, message...))
	return err
}

// Heard is the last sign of life; in memory there is always one.
func (p pipe) Heard() time.Time { return time.Now() }

// agent asks for the handshake, acknowledges all it gets, and sends stream bytes
// back, for smux frames look the same both ways.
func agent(t pipe) {
	defer t.Close()
	out := make(chan datachannel.Message, 100) // written apart, as the other side does
	defer close(out)
	go func() {
		for m := range out {
			m.Schema, m.Created = 1, uint64(time.Now().UnixMilli())
			if t.WriteMessage(datachannel.Append(nil, &m)) != nil {
				return
			}
		}
	}()
	var next, expected int64 // numbers of ours, and of the client
	send := func(payloadType datachannel.PayloadType, payload []byte) {
		out <- datachannel.Message{Type: datachannel.TypeOutput, Seq: next, PayloadType: payloadType, Payload: payload}
		next++
	}
	send(datachannel.PayloadHandshakeRequest, []byte(`{"AgentVersion":"3.3.987.0","RequestedClientActions":[{"ActionType":"SessionType",`+
		`"ActionParameters":{"SessionType":"Port","Properties":{"type":"LocalPortForwarding"}}}]}`))
	for {
		frame, err := t.ReadMessage()
		if err != nil {
			return
		}
		m, err := datachannel.Parse(frame)
		if err != nil || m.Type != datachannel.TypeInput {
			continue // an acknowledge, say; this agent sends nothing twice
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
