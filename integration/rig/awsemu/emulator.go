package awsemu

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// maxChunk is the agent's largest output payload in bytes.
const maxChunk = 1024

// Emulator is a running emulated AWS. Its methods are safe for concurrent use.
type Emulator struct {
	cfg    Config
	listen net.Listener
	net    *network
	server *http.Server
	ctx    context.Context // ends in Close
	cancel context.CancelFunc
	wg     sync.WaitGroup
	ticks  clock
	watch  *watch // for what belongs to no session

	mu       sync.Mutex
	closing  bool
	sessions map[string]*session
	order    []*session
	change   chan struct{} // closed at the next change of a session
	requests map[string]bool
	broken   []string // the violations

	dropping atomic.Bool  // Config.DropWhileAbsent, as of now
	ahead    atomic.Int64 // AWS's clock before this machine's, a time.Duration

	// Faults.
	hosts      map[string]string
	targets    map[string]bool // nil: every well-formed one
	offline    map[string]bool
	failures   map[string]*failure
	refusals   refusals
	origin     string // of stream URLs; "": the emulator's own
	connects   map[ConnectStep]*countdown
	slow       map[string]*slowness
	resumeless countdown
	lookups    string // why the jump hosts' name service does not answer; "": it does

	agentFailure string // of all agents to come, in their words
	dial         Dial
	intercept    Intercept
	simulation   Simulation
	metrics      map[metricKey]float64

	databases Databases
	fleet     Fleet
	calls     map[string]int // by operation
	assumed   int            // calls of AssumeRole for a role that there is
	sso       ssoState
}

// Start listens on a free port of 127.0.0.1 and serves until Close.
func Start(cfg Config) (*Emulator, error) {
	if len(cfg.Callers) == 0 {
		return nil, errors.New("emulated AWS needs a caller")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening for emulated AWS: %w", err)
	}
	e := &Emulator{
		cfg: cfg.withDefaults(), listen: ln, net: &network{wires: map[*wire]bool{}},
		sessions: map[string]*session{}, requests: map[string]bool{}, change: make(chan struct{}),
		targets: maps.Clone(cfg.Targets), offline: map[string]bool{}, failures: map[string]*failure{},
		hosts: map[string]string{}, connects: map[ConnectStep]*countdown{}, slow: map[string]*slowness{},
		calls: map[string]int{}, sso: newSSOState(),
	}
	e.dropping.Store(cfg.DropWhileAbsent)
	for host, address := range cfg.Hosts {
		e.hosts[strings.ToLower(host)] = address
	}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.watch = newWatch(e, "")
	e.server = &http.Server{Handler: http.HandlerFunc(e.serve), ReadHeaderTimeout: 10 * time.Second, ConnContext: withWire}
	e.goRun(func() { _ = e.server.Serve(networkListener{ln, e.net}) })
	e.goRun(e.tick)
	return e, nil
}

// URL is the endpoint for SSM and STS: http://127.0.0.1:port.
func (e *Emulator) URL() string { return "http://" + e.listen.Addr().String() }

// Close ends every session and waits for every goroutine. Violations and
// Sessions may be asked afterwards.
func (e *Emulator) Close() error {
	e.mu.Lock()
	if e.closing {
		e.mu.Unlock()
		e.wg.Wait()
		return nil
	}
	e.closing = true
	sessions := e.order
	e.mu.Unlock()
	for _, s := range sessions {
		s.end(EndEmulation, "")
	}
	e.cancel()
	err := e.server.Close()
	e.net.close()
	e.wg.Wait()
	return err
}

// serve is the HTTP handler: the websocket path, and the APIs at /.
func (e *Emulator) serve(w http.ResponseWriter, r *http.Request) {
	if !e.begin() {
		http.Error(w, "closing", http.StatusServiceUnavailable)
		return
	}
	defer e.wg.Done()
	if strings.HasPrefix(r.URL.Path, channelPath) {
		e.serveChannel(w, r)
		return
	}
	e.serveAPI(w, r)
}

// begin counts a goroutine that Close waits for; false once it is closing.
func (e *Emulator) begin() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closing {
		return false
	}
	e.wg.Add(1)
	return true
}

// goRun runs f on a goroutine that Close waits for, unless it is closing.
func (e *Emulator) goRun(f func()) {
	if e.begin() {
		go func() {
			defer e.wg.Done()
			f()
		}()
	}
}

// changed wakes Await.
func (e *Emulator) changed() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.wake()
}

// wake is changed with e.mu held.
func (e *Emulator) wake() {
	close(e.change)
	e.change = make(chan struct{})
}

// tick drives the clock that acknowledgements are held to.
func (e *Emulator) tick() {
	t := time.NewTicker(e.cfg.AckWithin / ticksAllowed)
	defer t.Stop()
	for {
		select {
		case <-e.ctx.Done():
			return
		case <-t.C:
		}
		e.ticks.advance()
		e.mu.Lock()
		sessions := e.order
		e.mu.Unlock()
		for _, s := range sessions {
			s.watch.overdue()
		}
	}
}

// Violations are the rules of the protocol that clients have broken so far,
// each as "session ID: what".
func (e *Emulator) Violations() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]string(nil), e.broken...)
}
