package gateway

import (
	"encoding/binary"
	"encoding/json"
	"strconv"
	"time"
)

// openMessage is the text message that opens a data channel.
type openMessage struct {
	MessageSchemaVersion string
	RequestId            string
	TokenValue           string
	ClientId             string
	ClientVersion        string
}

// ackPayload acknowledges one data message.
type ackPayload struct {
	AcknowledgedMessageType           string
	AcknowledgedMessageId             string
	AcknowledgedMessageSequenceNumber int64
	IsSequentialMessage               bool
}

type handshakeRequest struct {
	AgentVersion           string
	RequestedClientActions []requestedAction
}

type requestedAction struct {
	ActionType       string
	ActionParameters any
}

type sessionTypeParameters struct {
	SessionType string
	Properties  Properties
}

// Properties are a document's, after parameter substitution.
type Properties struct {
	Host            string `json:"host,omitempty"`
	PortNumber      string `json:"portNumber"`
	LocalPortNumber string `json:"localPortNumber"`
	Type            string `json:"type,omitempty"`
}

type handshakeResponse struct {
	ClientVersion          string
	ProcessedClientActions []struct {
		ActionType   string
		ActionStatus int
		Error        string
	}
	Errors []string
}

const actionSuccess = 1

type handshakeComplete struct {
	HandshakeTimeToComplete time.Duration
	CustomerMessage         string
}

// closedPayload is what the service puts into channel_closed.
type closedPayload struct {
	CreatedDate   string
	DestinationId string
	MessageId     string
	MessageType   string
	Output        string
	SchemaVersion int
	SessionId     string
}

// mustJSON marshals one of the payloads above, which cannot fail.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("gateway: " + err.Error())
	}
	return b
}

// newAck acknowledges m.
func newAck(m message) message {
	a := newMessage(typeAck, mustJSON(ackPayload{m.kind, m.id.String(), m.seq, true}))
	a.flags = 3
	return a
}

// newClosed is channel_closed in the service's form: a header of 112 bytes with
// the type padded with NULs; full makes it 116.
func newClosed(session, target, output string, full bool) message {
	m := newMessage(typeClosed, nil)
	m.flags = 2
	if !full {
		m.header, m.nulPadded = headerShort, true
	}
	m.payload = mustJSON(closedPayload{
		CreatedDate:   strconv.FormatUint(m.created, 10),
		DestinationId: target,
		MessageId:     m.id.String(),
		MessageType:   typeClosed,
		Output:        output,
		SchemaVersion: 1,
		SessionId:     session,
	})
	return m
}

// newPublication is start_publication or pause_publication.
func newPublication(kind string) message {
	m := newMessage(kind, nil)
	m.flags = 3
	return m
}

// flagPayload is the payload of a flag message.
func flagPayload(flag uint32) []byte { return binary.BigEndian.AppendUint32(nil, flag) }

// flagOf reads it; 0 when it is not four bytes.
func flagOf(payload []byte) uint32 {
	if len(payload) != 4 {
		return 0
	}
	return binary.BigEndian.Uint32(payload)
}
