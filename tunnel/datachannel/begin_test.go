package datachannel

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestHandshakeThenProbeThenData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.stream.write([]byte("waiting from the start"))
		r.run()
		r.awaitReady()
		readyAt := time.Since(r.agent.start)
		time.Sleep(time.Second)
		inputs := r.agent.seen(func(e event) bool { return e.kind == "input_stream_data" })
		want := []event{
			{10 * ms, "acknowledge", 0, 0, ""},
			{10 * ms, "input_stream_data", 0, 6, `{"ClientVersion":"1.2.804.0","ProcessedClientActions":[{"ActionType":"SessionType","ActionStatus":1,"ActionResult":null,"Error":""}],"Errors":null}`},
		}
		if len(inputs) != 3 || inputs[0].payload != want[1].payload || inputs[0].payloadType != 6 {
			t.Fatalf("inputs are %+v, want response, probe, data", inputs)
		}
		if got := inputs[1]; got.payload != "\x01\x03\x00\x00\x00\x00\x00\x00" || got.payloadType != 1 {
			t.Errorf("input 1 is %q, want a smux NOP", got.payload)
		}
		// Request at 10 ms, response at 20, complete at 30, probe at 40, its acknowledge at 50, data at 60.
		if readyAt != 50*ms || inputs[2].at != 60*ms || !strings.HasSuffix(inputs[2].payload, "waiting from the start") {
			t.Errorf("ready at %v, then %+v", readyAt, inputs[2])
		}
		if got := r.conn.AgentVersion(); got != "3.3.987.0" {
			t.Errorf("agent version is %q", got)
		}
		s := r.conn.Stats()
		if s.State != StateCarrying || s.BytesOut != int64(len("waiting from the start"))+8 || s.MessagesOut != 3 || s.MessagesIn != 2 ||
			s.Acknowledges != 2 || s.RoundTrip != 20*ms || s.Resends != 0 || s.Unacknowledged != 0 || s.Window < startWindow {
			t.Errorf("stats are %+v", s)
		}
		r.stop()
	})
}

func TestProbeIsRepeatedUntilThePluginIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.agent.readyAfter = 500 * ms
		r.stream.write([]byte("x"))
		r.run()
		r.awaitReady()
		time.Sleep(10 * time.Second)
		sent := r.agent.inputsAt(1)
		for i := range sent {
			sent[i] -= 40 * ms // the first arrives then
		}
		if want := []time.Duration{0, 50 * ms, 100 * ms, 200 * ms, 400 * ms, 800 * ms}; !slices.Equal(sent, want) {
			t.Errorf("probe came at %v, want %v", sent, want)
		}
		if data, nops := r.agent.streamData(); string(data) != "x" || nops != 1 {
			t.Errorf("agent has %q and %d NOPs, want x and the probe", data, nops)
		}
		r.stop()
	})
}

// A later request with a number of its own is acknowledged and not answered.
func TestSecondHandshakeRequestIsTolerated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t).run()
		r.awaitReady()
		r.agent.output(5, []byte(portRequest))
		r.agent.output(7, []byte(`{}`))
		r.agent.output(1, []byte("data"))
		time.Sleep(time.Second)
		if got := r.stream.received(); string(got) != "data" {
			t.Errorf("delivered %q", got)
		}
		if got := len(r.agent.seen(func(e event) bool { return e.payloadType == 6 })); got != 1 {
			t.Errorf("%d handshake responses, want 1", got)
		}
		if r.agent.acksOf(2) != 1 || r.agent.acksOf(3) != 1 {
			t.Errorf("acknowledges: %d and %d, want one each", r.agent.acksOf(2), r.agent.acksOf(3))
		}
		r.stop()
	})
}

// An agent that starts a process first has ArrivalTimeout to show itself, and half
// of HandshakeTimeout from then on.
func TestAgentThatComesLate(t *testing.T) {
	tests := []struct {
		name   string
		arrive time.Duration // start_publication; 0: it does not come
		want   time.Duration
		err    error
	}{
		{"never", 0, 50 * time.Second, ErrAgentAbsent},
		{"at once, and says nothing", 10 * ms, 14 * time.Second, ErrHandshakeTimeout},
		{"late, and says nothing", 40 * time.Second, 47*time.Second + 10*ms, ErrHandshakeTimeout},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.agent.silent = true
				r.run(func(c *Config) { c.HandshakeTimeout, c.ArrivalTimeout = 14*time.Second, 50*time.Second })
				start := time.Now()
				if test.arrive > 0 {
					time.AfterFunc(test.arrive, func() { r.agent.write(wire("start_publication", 0, 3, 0, nil)) })
				}
				err := r.ended(time.Minute)
				if got := time.Since(start); !errors.Is(err, test.err) || !errors.Is(err, ErrHandshakeTimeout) || got != test.want {
					t.Errorf("Run ended with %v after %v, want %v after %v", err, got, test.err, test.want)
				}
				if errors.Is(err, ErrAgentAbsent) != (test.arrive == 0) {
					t.Errorf("%v: the agent was absent: %v", err, test.arrive == 0)
				}
			})
		})
	}
}

func TestHandshakeTimeout(t *testing.T) {
	tests := []struct {
		name  string
		setup func(r *rig)
	}{
		{"no request", func(r *rig) { r.agent.silent = true }},
		{"no complete", func(r *rig) { r.agent.refuse = func(int64, int) bool { return true } }},
		{"transports that break", func(r *rig) {
			r.agent.silent = true
			r.setup = func(l *link) { time.AfterFunc(time.Second, func() { l.Close() }) }
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				test.setup(r)
				r.run()
				start := time.Now()
				if err := r.ended(time.Minute); !errors.Is(err, ErrHandshakeTimeout) {
					t.Errorf("Run ended with %v", err)
				}
				if got := time.Since(start); got != 30*time.Second {
					t.Errorf("Run ended after %v, want 30s", got)
				}
				select {
				case <-r.conn.Ready():
					t.Error("Ready is closed")
				default:
				}
			})
		})
	}
}

// The handshake's time runs on while Connect works on a second transport.
func TestHandshakeTimeoutEndsConnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.agent.silent = true
		r.run(func(cfg *Config) {
			connect := cfg.Connect
			cfg.Connect = func(ctx context.Context) (Transport, error) {
				if r.dials > 0 {
					<-ctx.Done()
					return nil, ctx.Err()
				}
				return connect(ctx)
			}
		})
		time.Sleep(time.Second)
		r.cut()
		if err := r.ended(time.Minute); !errors.Is(err, ErrHandshakeTimeout) {
			t.Errorf("Run ended with %v", err)
		}
	})
}

func TestHandshakeRefused(t *testing.T) {
	tests := []struct{ name, request, want string }{
		{"shell", strings.Replace(portRequest, `"Port"`, `"Standard_Stream"`, 1), "Standard_Stream"},
		{"old agent", strings.Replace(portRequest, "3.3.987.0", "3.0.196.0", 1), "too old"},
		{"unreadable", "{", "cannot be read"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.agent.request = test.request
				r.run()
				var refused *HandshakeError
				if err := r.ended(time.Second); !errors.As(err, &refused) || !strings.Contains(err.Error(), test.want) {
					t.Errorf("Run ended with %v, want %s", err, test.want)
				}
			})
		})
	}
}

// The agent must hear of a refusal, or the session would stay open there.
func TestRefusalReachesTheAgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.latency = 0
		r.agent.request = strings.Replace(portRequest, `[{`, `[{"ActionType":"Foo"},{`, 1)
		var frames [][]byte
		r.wrap = func(_ int, l Transport) Transport { return &recorder{Transport: l, frames: &frames} }
		r.run()
		r.ended(time.Second)
		if len(frames) != 2 || !bytes.Contains(frames[0], []byte("acknowledge")) || !bytes.Contains(frames[1], []byte(`"ActionStatus":3`)) {
			t.Errorf("written before the end: %q, want acknowledge and response", frames)
		}
	})
}

// A refusal that is out is the reason, even when the agent's end of the session
// is read before the write returns.
func TestRefusalComesBeforeItsEcho(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.agent.request = strings.Replace(portRequest, `"Port"`, `"Standard_Stream"`, 1)
		r.wrap = func(_ int, l Transport) Transport { return &echo{Transport: l, agent: r.agent} }
		r.run()
		var refused *HandshakeError
		if err := r.ended(time.Minute); !errors.As(err, &refused) {
			t.Errorf("Run ended with %v, want the refusal", err)
		}
	})
}

// A refusal is the reason, too, when the service ends the websocket before the
// writer has noticed that it is out, and the session cannot be resumed.
func TestRefusalOutlivesItsTransport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.agent.request = strings.Replace(portRequest, `"Port"`, `"Standard_Stream"`, 1)
		r.dial = func(n int, l *link) error {
			if n > 0 {
				return errors.New("the session is over")
			}
			return nil
		}
		r.wrap = func(_ int, l Transport) Transport { return &hangUp{Transport: l} }
		r.run()
		var refused *HandshakeError
		if err := r.ended(time.Minute); !errors.As(err, &refused) {
			t.Errorf("Run ended with %v, want the refusal", err)
		}
	})
}

// hangUp ends at a refusal, whose write returns late.
type hangUp struct{ Transport }

func (h *hangUp) WriteMessage(p []byte) error {
	err := h.Transport.WriteMessage(p)
	if bytes.Contains(p, []byte(`"ActionStatus":2`)) {
		h.Close()
		time.Sleep(time.Second)
	}
	return err
}

// echo has the agent end the session at a refusal, and returns late.
type echo struct {
	Transport
	agent *agent
}

func (e *echo) WriteMessage(p []byte) error {
	err := e.Transport.WriteMessage(p)
	if bytes.Contains(p, []byte(`"ActionStatus":2`)) {
		e.agent.write(wire("channel_closed", 0, 0, 0, []byte(`{"Output":"Encountered error while initiating handshake."}`)))
		time.Sleep(time.Second)
	}
	return err
}

// recorder notes what is written.
type recorder struct {
	Transport
	frames *[][]byte
}

func (r *recorder) WriteMessage(p []byte) error {
	*r.frames = append(*r.frames, bytes.Clone(p))
	return r.Transport.WriteMessage(p)
}

func TestOldAgentsGetKeepAlive(t *testing.T) {
	for version, want := range map[string]int{"3.1.1511.0": 1 + 6, "3.1.1575.0": 1} {
		t.Run(version, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.agent.version = version
				r.run()
				r.awaitReady()
				time.Sleep(65 * time.Second)
				if _, nops := r.agent.streamData(); nops != want {
					t.Errorf("%d NOPs in 65 s, want %d", nops, want)
				}
				r.stop()
			})
		})
	}
}

func TestNewChecksItsConfig(t *testing.T) {
	connect := func(context.Context) (Transport, error) { return nil, nil }
	good := Config{Connect: connect, Stream: newFakeStream()}
	for name, change := range map[string]func(*Config){
		"no Connect":        func(cfg *Config) { cfg.Connect = nil },
		"no Stream":         func(cfg *Config) { cfg.Stream = nil },
		"small payload":     func(cfg *Config) { cfg.MaxPayload = 63 },
		"big payload":       func(cfg *Config) { cfg.MaxPayload = 16<<10 + 1 },
		"small window":      func(cfg *Config) { cfg.MaxWindow = 32<<10 - 1 },
		"negative timeout":  func(cfg *Config) { cfg.PeerTimeout = -1 },
		"negative patience": func(cfg *Config) { cfg.StallTimeout = -1 },
		"negative outage":   func(cfg *Config) { cfg.OutageTimeout = -1 },
	} {
		cfg := good
		change(&cfg)
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := New(good); err != nil {
		t.Error(err)
	}
}
