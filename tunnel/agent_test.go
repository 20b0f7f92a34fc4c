package tunnel

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/smithy-go"
	"github.com/coder/websocket"
)

// fakeAWS is the Systems Manager API, its websocket front, and an agent per
// session that echoes every stream. It has its own codec, written from the
// protocol's tables, and reports what a client must not do as test errors.
type fakeAWS struct {
	t   *testing.T
	net *pipeNet

	mu         sync.Mutex
	agents     map[string]*fakeAgent
	ids        []string // in order of StartSession
	inputs     []StartSessionInput
	resumed    []string // ids, one per ResumeSession call
	terminated []string // ids, one per TerminateSession call
	upgrades   int

	// Faults, to be set before use. The number is that of the call, from 1.
	onStart  func(ctx context.Context, n int) error
	onResume func(n int) error
	onEnd    func() error                          // of TerminateSession
	onOpen   func(n int, a *fakeAgent) (keep bool) // after an open message
	refuse   func(n int) int                       // HTTP status of an upgrade, 0 to accept
	noToken  bool                                  // of ResumeSession
	mute     func(n int) bool                      // the agent of this session says nothing
	noTarget bool                                  // dials of the agent fail
	output   string                                // channel_closed after the handshake, with this
	brief    func(n int) bool                      // the agent of this session ends it when it has carried something
	query    string                                // appended to stream URLs
	cutEvery int                                   // message of the client: the network is cut, the message lost
}

func newFakeAWS(t *testing.T) *fakeAWS {
	f := &fakeAWS{t: t, agents: make(map[string]*fakeAgent)}
	f.net = serve(t, f)
	return f
}

func (f *fakeAWS) url(id string, n int) string {
	return fmt.Sprintf("ws://127.0.0.1:9/v1/data-channel/%s?role=publish_subscribe&cell-number=c%d+/x%s", id, n, f.query)
}

func (f *fakeAWS) StartSession(ctx context.Context, in StartSessionInput) (SessionOutput, error) {
	f.mu.Lock()
	f.inputs = append(f.inputs, in)
	n := len(f.inputs)
	f.mu.Unlock()
	if f.onStart != nil {
		if err := f.onStart(ctx, n); err != nil {
			return SessionOutput{}, err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	id := fmt.Sprintf("me@example.com-%017x", len(f.ids)+1)
	a := &fakeAgent{aws: f, id: id, number: len(f.ids) + 1, token: "tok-" + rand.Text(), unacked: make(map[int64][]byte)}
	f.ids = append(f.ids, id)
	f.agents[id] = a
	return SessionOutput{SessionID: id, StreamURL: f.url(id, 0), TokenValue: a.token}, nil
}

func (f *fakeAWS) ResumeSession(_ context.Context, id string) (SessionOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.resumed = append(f.resumed, id)
	if f.onResume != nil {
		if err := f.onResume(len(f.resumed)); err != nil {
			return SessionOutput{}, err
		}
	}
	a := f.agents[id]
	if a == nil {
		return SessionOutput{}, apiCode("DoesNotExistException")
	}
	out := SessionOutput{SessionID: id}
	if f.noToken || a.hasEnded() {
		return out, nil
	}
	out.StreamURL = f.url(a.id, len(f.resumed))
	out.TokenValue = a.newToken(out.StreamURL)
	return out, nil
}

func (f *fakeAWS) TerminateSession(_ context.Context, id string) error {
	f.mu.Lock()
	a := f.agents[id]
	f.terminated = append(f.terminated, id)
	f.mu.Unlock()
	if f.onEnd != nil {
		return f.onEnd()
	}
	if a == nil {
		return apiCode("DoesNotExistException")
	}
	a.end("")
	return nil
}

// apiCode is what the API answers.
func apiCode(code string) *smithy.GenericAPIError { return &smithy.GenericAPIError{Code: code} }

// calls returns how often each operation was called.
func (f *fakeAWS) calls() (starts, resumes, terminates int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.inputs), len(f.resumed), len(f.terminated)
}

// agent returns the agent of the n-th session, from 1.
func (f *fakeAWS) agent(n int) *fakeAgent {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.agents[f.ids[n-1]]
}

// open returns the ids of sessions that nobody has ended.
func (f *fakeAWS) open() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(f.ids), func(id string) bool { return f.agents[id].hasEnded() })
}

func (f *fakeAWS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.upgrades++
	n := f.upgrades
	a := f.agents[strings.TrimPrefix(r.URL.Path, "/v1/data-channel/")]
	f.mu.Unlock()
	if f.refuse != nil {
		if status := f.refuse(n); status != 0 {
			w.WriteHeader(status)
			return
		}
	}
	if a == nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		f.t.Errorf("accept: %v", err)
		return
	}
	defer c.CloseNow()
	queue := a.attach(r, c)
	if queue == nil {
		return
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		for b := range queue {
			c.Write(context.Background(), websocket.MessageBinary, b) // the peer's absence is no error
		}
	}()
	if f.onOpen == nil || f.onOpen(n, a) {
		a.serve(c)
	}
	a.detach(c)
	close(queue)
	<-written
}

// fakeAgent is the far end of one session; it outlives websockets.
type fakeAgent struct {
	aws    *fakeAWS
	id     string
	number int

	mu       sync.Mutex
	token    string // the newest, "" once used
	url      string // the newest of ResumeSession
	clientID string
	conn     *websocket.Conn
	queue    chan []byte // to conn; a peer reads while it writes
	deaf     bool        // takes messages and answers none
	stuck    bool        // its first dial does not come back
	refusing bool        // its dials fail
	nops     []time.Time // of smux
	ended    bool
	flagged  bool             // ended by flag 2
	unacked  map[int64][]byte // output by number
	nextOut  int64
	nextIn   int64
	smux     []byte // input not yet a whole frame
	taken    int    // messages of the client
}

func (a *fakeAgent) newToken(url string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.token, a.url = "tok-"+rand.Text(), url
	return a.token
}

func (a *fakeAgent) hasEnded() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ended
}

// attach takes the open message and puts c in the place of the old websocket. It
// returns the queue of what is to be written, nil when c is gone.
func (a *fakeAgent) attach(r *http.Request, c *websocket.Conn) chan []byte {
	typ, body, err := c.Read(context.Background())
	if err != nil {
		return nil
	}
	var open struct{ MessageSchemaVersion, RequestId, TokenValue, ClientId, ClientVersion string }
	if err := json.Unmarshal(body, &open); err != nil || typ != websocket.MessageText {
		a.aws.t.Errorf("open message %s %q: %v", typ, body, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if open.TokenValue != a.token || a.token == "" {
		a.aws.t.Errorf("open message with a token that is not the newest, or used")
	}
	a.token = ""
	if a.url != "" && !strings.HasSuffix(a.url, r.RequestURI) {
		a.aws.t.Errorf("dialled %q, want the latest URL %q", r.RequestURI, a.url)
	}
	if a.clientID != "" && a.clientID != open.ClientId {
		a.aws.t.Errorf("ClientId changed from %q to %q", a.clientID, open.ClientId)
	}
	a.clientID = open.ClientId
	a.conn, a.queue = c, make(chan []byte, 100_000)
	return a.queue
}

func (a *fakeAgent) detach(c *websocket.Conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.conn == c {
		a.conn, a.queue = nil, nil
	}
}

// serve handles messages until the websocket is gone.
func (a *fakeAgent) serve(c *websocket.Conn) {
	a.mu.Lock()
	switch {
	case a.ended || a.aws.mute != nil && a.aws.mute(a.number):
	case a.nextOut == 0:
		a.request()
	default:
		for _, seq := range slices.Sorted(maps.Keys(a.unacked)) {
			a.write(a.unacked[seq])
		}
	}
	a.mu.Unlock()
	for {
		_, frame, err := c.Read(context.Background())
		if err != nil {
			return
		}
		a.mu.Lock()
		if a.conn == c && !a.ended && !a.deaf {
			a.receive(frame)
		}
		a.mu.Unlock()
	}
}

// request begins the handshake. a.mu is held.
func (a *fakeAgent) request() {
	a.send(5, []byte(`{"AgentVersion":"3.3.987.0","RequestedClientActions":[{"ActionType":"SessionType","ActionParameters":`+
		`{"SessionType":"Port","Properties":{"host":"db","portNumber":"5432","localPortNumber":"0","type":"LocalPortForwarding"}}}]}`))
}

// end closes the channel with these words.
func (a *fakeAgent) end(output string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.endLocked(output)
}

func (a *fakeAgent) endLocked(output string) {
	if a.ended {
		return
	}
	a.ended = true
	if a.conn == nil {
		return
	}
	payload, _ := json.Marshal(map[string]any{"MessageType": "channel_closed", "SessionId": a.id, "SchemaVersion": 1, "Output": output})
	b := encode("channel_closed", 0, 0, 0, payload)
	b = slices.Delete(b, 112, 116) // no payload type, as the service does
	binary.BigEndian.PutUint32(b, 112)
	a.write(bytes.ReplaceAll(b[:36], []byte(" "), []byte{0}), b[36:])
}

func (a *fakeAgent) wasFlagged() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.flagged
}

// set changes the agent's behaviour.
func (a *fakeAgent) set(change func(*fakeAgent)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(a)
}

func (a *fakeAgent) setDeaf() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.deaf = true
}

// bye closes the websocket as the service does every hour.
func (a *fakeAgent) bye() {
	a.mu.Lock()
	c := a.conn
	a.mu.Unlock()
	c.Close(websocket.StatusNormalClosure, "Bye")
}

// write queues one message, if there is a websocket. a.mu is held.
func (a *fakeAgent) write(parts ...[]byte) {
	if a.queue != nil {
		a.queue <- bytes.Join(parts, nil)
	}
}

// send numbers and sends output. a.mu is held.
func (a *fakeAgent) send(payloadType uint32, payload []byte) {
	var flags uint64
	if a.nextOut == 0 {
		flags = 1
	}
	b := encode("output_stream_data", a.nextOut, flags, payloadType, payload)
	a.unacked[a.nextOut] = b
	a.nextOut++
	a.write(b)
}

// receive acts on one message. a.mu is held.
func (a *fakeAgent) receive(frame []byte) {
	if a.taken++; a.aws.cutEvery > 0 && a.taken%a.aws.cutEvery == 0 {
		a.aws.net.cut()
		return
	}
	m, err := decode(frame)
	if err != nil {
		a.aws.t.Errorf("message of the client: %v", err)
		return
	}
	switch {
	case m.typ == "acknowledge":
		var ack struct {
			AcknowledgedMessageType           string
			AcknowledgedMessageSequenceNumber int64
		}
		if err := json.Unmarshal(m.payload, &ack); err != nil || ack.AcknowledgedMessageType != "output_stream_data" {
			a.aws.t.Errorf("acknowledge %q: %v", m.payload, err)
		}
		delete(a.unacked, ack.AcknowledgedMessageSequenceNumber)
	case m.typ != "input_stream_data":
		a.aws.t.Errorf("client sent a %q", m.typ)
	case m.seq > a.nextIn: // refused without acknowledge
	case m.seq < a.nextIn:
		a.acknowledge(m)
	default:
		a.nextIn++
		a.acknowledge(m)
		a.input(m)
	}
}

func (a *fakeAgent) acknowledge(m agentMessage) {
	a.write(encode("acknowledge", 0, 3, 0, fmt.Appendf(nil, `{"AcknowledgedMessageType":"input_stream_data","AcknowledgedMessageId":"%s",`+
		`"AcknowledgedMessageSequenceNumber":%d,"IsSequentialMessage":true}`, m.id, m.seq)))
}

func (a *fakeAgent) input(m agentMessage) {
	switch m.payloadType {
	case 6:
		if !bytes.Contains(m.payload, []byte(`"ActionStatus":1`)) || !bytes.Contains(m.payload, []byte(`"ClientVersion":"1.2.804.0"`)) {
			a.aws.t.Errorf("handshake response %s", m.payload)
		}
		a.send(7, []byte(`{"HandshakeTimeToComplete":1000000,"CustomerMessage":""}`))
		if a.aws.output != "" {
			a.endLocked(a.aws.output)
		}
	case 10:
		if flag := binary.BigEndian.Uint32(m.payload); flag != 2 {
			a.aws.t.Errorf("client sent flag %d", flag)
		}
		a.flagged = true
		a.endLocked("")
	case 1:
		a.smux = append(a.smux, m.payload...)
		for len(a.smux) >= 8 {
			n := 8 + int(binary.LittleEndian.Uint16(a.smux[2:]))
			if len(a.smux) < n {
				break
			}
			a.frame(a.smux[:n:n])
			a.smux = a.smux[n:]
		}
	default:
		a.aws.t.Errorf("client sent payload type %d", m.payloadType)
	}
}

// frame answers one smux frame: data comes back, FIN is answered by FIN.
func (a *fakeAgent) frame(b []byte) {
	if b[0] != 1 {
		a.aws.t.Errorf("smux version %d", b[0])
	}
	fin := append([]byte{1, 1, 0, 0}, b[4:8]...)
	if a.stuck && b[1] != 3 {
		return
	}
	refusing := a.aws.noTarget || a.refusing
	switch b[1] {
	case 0:
		if refusing {
			a.send(10, []byte{0, 0, 0, 3})
			a.send(1, fin)
		}
	case 1:
		a.send(1, fin)
	case 2:
		if !refusing {
			a.send(1, b)
		}
	case 3:
		a.nops = append(a.nops, time.Now())
		if a.aws.brief != nil && a.aws.brief(a.number) {
			time.AfterFunc(100*time.Millisecond, func() { a.end("the instance is stopping") })
		}
	default:
		a.aws.t.Errorf("smux command %d", b[1])
	}
}

type agentMessage struct {
	typ         string
	seq         int64
	id          string
	payloadType uint32
	payload     []byte
}

func encode(typ string, seq int64, flags uint64, payloadType uint32, payload []byte) []byte {
	b := make([]byte, 120, 120+len(payload))
	binary.BigEndian.PutUint32(b[0:], 116)
	copy(b[4:36], typ+strings.Repeat(" ", 32))
	binary.BigEndian.PutUint32(b[36:], 1)
	binary.BigEndian.PutUint64(b[40:], uint64(time.Now().UnixMilli()))
	binary.BigEndian.PutUint64(b[48:], uint64(seq))
	binary.BigEndian.PutUint64(b[56:], flags)
	rand.Read(b[64:80])
	b[64] = b[64]&0x3f | 0x80 // UUID byte 8 comes first
	b[78] = b[78]&0x0f | 0x40 // UUID byte 6
	digest := sha256.Sum256(payload)
	copy(b[80:], digest[:])
	binary.BigEndian.PutUint32(b[112:], payloadType)
	binary.BigEndian.PutUint32(b[116:], uint32(len(payload)))
	return append(b, payload...)
}

func decode(b []byte) (agentMessage, error) {
	if len(b) <= 120 || binary.BigEndian.Uint32(b) != 116 || binary.BigEndian.Uint32(b[36:]) != 1 {
		return agentMessage{}, fmt.Errorf("bad frame of %d bytes", len(b))
	}
	payload := b[120:]
	if n := binary.BigEndian.Uint32(b[116:]); int(n) != len(payload) || n > 1024 {
		return agentMessage{}, fmt.Errorf("payload length %d in a frame of %d bytes", n, len(b))
	}
	if sha256.Sum256(payload) != [32]byte(b[80:112]) {
		return agentMessage{}, fmt.Errorf("wrong digest")
	}
	if b[78]>>4 != 4 || b[64]>>6 != 2 {
		return agentMessage{}, fmt.Errorf("message id %x is no version 4 UUID", b[64:80])
	}
	u := slices.Concat(b[72:80], b[64:72])
	return agentMessage{
		typ:         strings.TrimRight(string(b[4:36]), " "),
		seq:         int64(binary.BigEndian.Uint64(b[48:])),
		id:          fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:]),
		payloadType: binary.BigEndian.Uint32(b[112:]),
		payload:     payload,
	}, nil
}
