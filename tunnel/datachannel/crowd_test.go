package datachannel

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgkeyless/pgkeyless/tunnel/mux"
)

// The sizes of a small query and its answer as TLS has them, and what they cost a
// machine with two processors on which everything runs.
const (
	questionSize = 36
	answerSize   = 90
	clientCost   = 100 * time.Microsecond
	databaseCost = 120 * time.Microsecond
	messageCost  = 40 * time.Microsecond

	// pumpPace is how long the sleep of 1 ms takes that agent and plugin make after
	// each message.
	pumpPace = 1060 * time.Microsecond
)

// office is where clients ask small queries: two processors, the agent's pump, and
// the database.
type office struct {
	processors chan struct{}
	answers    *queue
	asked      []byte // smux frames, not whole
	queries    atomic.Int64
	over       chan struct{}
	parts      sync.WaitGroup
}

func newOffice() *office {
	return &office{processors: make(chan struct{}, 2), answers: newQueue(), over: make(chan struct{})}
}

func (o *office) spend(cost time.Duration) {
	o.processors <- struct{}{}
	time.Sleep(cost)
	<-o.processors
}

// take answers whole questions. It is called by one goroutine.
func (o *office) take(payload string) {
	o.asked = append(o.asked, payload...)
	for len(o.asked) >= 8 {
		n := 8 + int(binary.LittleEndian.Uint16(o.asked[2:]))
		if len(o.asked) < n {
			return
		}
		command, stream := o.asked[1], binary.LittleEndian.Uint32(o.asked[4:])
		o.asked = o.asked[n:]
		if command == 2 {
			o.parts.Go(func() {
				o.spend(databaseCost)
				o.answers.put(psh(stream, answerSize))
			})
		}
	}
}

// pump is what both the agent and the plugin do: at most 1024 bytes, then sleep.
func (o *office) pump(from *queue, send func([]byte)) {
	for {
		p := from.get(o.over)
		if p == nil {
			return
		}
		send(p)
		time.Sleep(pumpPace)
	}
}

// ask asks for two seconds, and returns how often.
func (o *office) ask(clients int, query func(client int)) float64 {
	const span = 2 * time.Second
	var all sync.WaitGroup
	began := time.Now()
	for i := range clients {
		all.Go(func() {
			for time.Since(began) < span {
				o.spend(clientCost)
				query(i)
				o.queries.Add(1)
			}
		})
	}
	all.Wait()
	return float64(o.queries.Load())
}

// queue is a socket between two processes.
type queue struct {
	mu   sync.Mutex
	p    []byte
	more chan struct{}
}

func newQueue() *queue { return &queue{more: make(chan struct{}, 1)} }

func (q *queue) put(p []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.p = append(q.p, p...)
	select {
	case q.more <- struct{}{}:
	default:
	}
}

// get waits for bytes. nil: over was first.
func (q *queue) get(over <-chan struct{}) []byte {
	for {
		q.mu.Lock()
		n := min(len(q.p), 1024)
		p := q.p[:n:n]
		q.p = q.p[n:]
		q.mu.Unlock()
		if n > 0 {
			return p
		}
		select {
		case <-q.more:
		case <-over:
			return nil
		}
	}
}

// psh is an smux frame with n bytes of data.
func psh(stream uint32, n int) []byte {
	p := make([]byte, 8+n)
	p[0], p[1] = 1, 2
	binary.LittleEndian.PutUint16(p[2:], uint16(n))
	binary.LittleEndian.PutUint32(p[4:], stream)
	return p
}

// throughPlugin returns what clients get done through the official client, and how
// many data messages that takes.
func throughPlugin(clients int) (queries, messages float64) {
	o := newOffice()
	questions := newQueue()
	done := make([]chan struct{}, clients)
	for i := range done {
		done[i] = make(chan struct{}, 1)
	}
	var sent, down atomic.Int64
	o.parts.Go(func() {
		o.pump(questions, func(p []byte) {
			sent.Add(1)
			o.spend(messageCost)
			o.take(string(p))
		})
	})
	o.parts.Go(func() {
		var came []byte
		o.pump(o.answers, func(p []byte) {
			down.Add(1)
			o.spend(messageCost)
			for came = append(came, p...); len(came) >= 8+answerSize; came = came[8+answerSize:] {
				done[binary.LittleEndian.Uint32(came[4:])] <- struct{}{}
			}
		})
	})
	queries = o.ask(clients, func(i int) {
		questions.put(psh(uint32(i), questionSize))
		<-done[i]
	})
	close(o.over)
	o.parts.Wait()
	return queries, float64(sent.Load() + down.Load())
}

// throughConn is the same through a Conn.
func throughConn(t *testing.T, clients int) (queries, messages float64) {
	t.Helper()
	o := newOffice()
	r := newRig(t)
	r.latency = 20 * time.Microsecond
	r.agent.target = o.take
	m := mux.New(mux.Config{})
	r.run(func(cfg *Config) { cfg.Stream = m })
	r.awaitReady()
	o.parts.Go(func() { o.pump(o.answers, func(p []byte) { r.agent.output(1, p) }) })
	streams := make([]*mux.Stream, clients)
	for i := range streams {
		var err error
		if streams[i], err = m.OpenStream(); err != nil {
			t.Fatal(err)
		}
	}
	before := r.conn.Stats()
	queries = o.ask(clients, func(i int) {
		p := make([]byte, answerSize)
		if _, err := streams[i].Write(p[:questionSize]); err != nil {
			t.Error(err)
		}
		for n := 0; n < answerSize; {
			k, err := streams[i].Read(p)
			if err != nil {
				t.Error(err)
				return
			}
			n += k
		}
	})
	after := r.conn.Stats()
	close(o.over)
	o.parts.Wait()
	r.stop()
	return queries, float64(after.MessagesOut - before.MessagesOut + after.MessagesIn - before.MessagesIn)
}

// Clients that ask small queries get at least as many answers as through the official
// client, for no more messages.
func TestCrowdAsksInFewMessages(t *testing.T) {
	const equal = 1.01 // the ends of the two seconds count a little
	for _, clients := range []int{1, 2, 4, 8, 32} {
		synctest.Test(t, func(t *testing.T) {
			queries, messages := throughConn(t, clients)
			theirs, theirMessages := throughPlugin(clients)
			if equal*queries < theirs {
				t.Errorf("%d clients ask %.0f times, and %.0f through the official client", clients, queries, theirs)
			}
			if messages/queries > equal*theirMessages/theirs {
				t.Errorf("%d clients need %.2f data messages for a query, and %.2f with the official client", clients, messages/queries, theirMessages/theirs)
			}
		})
	}
}
