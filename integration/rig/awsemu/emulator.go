package awsemu

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu/gateway"
)

// Emulator is a running emulated AWS: the control plane, and the gateway with its
// faults, which it takes in. Its methods are safe for concurrent use.
type Emulator struct {
	*gateway.Gateway
	cfg    Config
	listen net.Listener
	server *http.Server
	ctx    context.Context // ends in Close
	cancel context.CancelFunc
	wg     sync.WaitGroup
	ahead  atomic.Int64 // AWS's clock before this machine's, a time.Duration

	mu      sync.Mutex
	closing bool

	// Faults.
	targets    map[string]bool // nil: every well-formed one
	offline    map[string]bool
	failures   map[string]*failure
	slow       map[string]*slowness
	origin     string // of stream URLs; "": the emulator's own
	resumeless gateway.Countdown

	simulation Simulation
	policy     *iamPolicy        // nil allows everything
	owners     map[string]string // user ids of who started a session, by its id
	metrics    map[metricKey]float64
	databases  Databases
	dsql       dsqlState
	secrets    map[string]storedSecret // by region and name
	fleet      Fleet
	calls      map[string]int // by operation
	assumed    []Assumption
	sso        ssoState
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
		cfg: cfg.withDefaults(), listen: ln,
		targets: maps.Clone(cfg.Targets), offline: map[string]bool{}, failures: map[string]*failure{}, slow: map[string]*slowness{},
		calls: map[string]int{}, owners: map[string]string{}, sso: newSSOState(),
	}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.Gateway = gateway.New(e.cfg.Config, e)
	e.server = &http.Server{Handler: http.HandlerFunc(e.serve), ReadHeaderTimeout: time.Minute, ConnContext: e.ConnContext}
	e.wg.Go(func() { _ = e.server.Serve(e.Listen(ln)) })
	return e, nil
}

// URL is the endpoint of every API: http://127.0.0.1:port.
func (e *Emulator) URL() string { return "http://" + e.listen.Addr().String() }

// Close ends every session and waits for every goroutine. Violations and
// Sessions may be asked afterwards.
func (e *Emulator) Close() error {
	e.mu.Lock()
	first := !e.closing
	e.closing = true
	e.mu.Unlock()
	if !first {
		e.wg.Wait()
		return nil
	}
	e.cancel()
	e.Gateway.Close()
	err := e.server.Close()
	e.wg.Wait()
	return err
}

// serve is the HTTP handler: the websocket path, and the APIs at /.
func (e *Emulator) serve(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	if e.closing {
		e.mu.Unlock()
		http.Error(w, "closing", http.StatusServiceUnavailable)
		return
	}
	e.wg.Add(1)
	e.mu.Unlock()
	defer e.wg.Done()
	e.date(w)
	if gateway.IsChannel(r) {
		e.ServeChannel(w, r)
		return
	}
	e.serveAPI(w, r)
}

// VerifyUpgrade checks the signature of a websocket upgrade.
func (e *Emulator) VerifyUpgrade(r *http.Request) error {
	caller, err := e.verify(r, nil, "ssmmessages")
	if err == nil {
		err = e.permit(caller, "ssmmessages:OpenDataChannel", "*", nil)
	}
	if err != nil {
		return errors.New(err.message)
	}
	return nil
}
