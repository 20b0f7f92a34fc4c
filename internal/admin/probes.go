package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/status"
)

const (
	// alivePatience is how long an accept loop or event loop may take to move, which
	// takes microseconds. A machine that is starved for so long has worse troubles.
	alivePatience = 5 * time.Second
	// aliveAgain is the least time between two looks; probes that come sooner share
	// one.
	aliveAgain = time.Second
)

// check is one condition of a probe.
type check struct {
	name string
	err  error // nil: it is met
}

// startup is met once every listener serves, and stays so.
func (a *Admin) startup(context.Context) []check {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.state == status.Starting {
		return []check{{"listeners", errors.New("the proxy is starting")}}
	}
	return []check{{"listeners", nil}}
}

// readiness is met while new clients are welcome. Neither AWS nor a database has a
// part in it.
func (a *Admin) readiness(ctx context.Context) []check {
	checks := a.startup(ctx)
	a.mu.Lock()
	state, server := a.state, a.server
	a.mu.Unlock()
	draining := check{name: "not draining"}
	if state == status.Draining {
		draining.err = errors.New("the proxy is ending, and lets open sessions end")
	}
	checks = append(checks, draining)
	if most := int64(a.cfg.Run.MaxConnections); a.cfg.Run.UnreadyWhenFull && most > 0 && server != nil {
		room := check{name: "room for clients"}
		if open := server.Snapshot().Open; open >= most {
			room.err = fmt.Errorf("%d connections are open, %d are allowed", open, most)
		}
		checks = append(checks, room)
	}
	return checks
}

// liveness is met unless this process is stuck: each listener must take a connection
// and each event loop come round. A run that starts or drains is alive.
func (a *Admin) liveness(ctx context.Context) []check {
	return []check{{"accept and event loops", a.Alive(ctx)}}
}

// Alive is the condition of the liveness probe.
func (a *Admin) Alive(ctx context.Context) error {
	a.mu.Lock()
	server, state := a.server, a.state
	a.mu.Unlock()
	if server == nil || state != status.Serving {
		return nil
	}
	return a.pulse.take(ctx, server)
}

// pulse remembers the last look for aliveAgain. Make it with newPulse.
type pulse struct {
	turn chan struct{} // holds one: who looks owns what follows
	at   time.Time
	err  error
}

func newPulse() *pulse { return &pulse{turn: make(chan struct{}, 1)} }

// take looks whether server moves. A caller that leaves says nothing of it.
func (p *pulse) take(ctx context.Context, server Server) error {
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if !p.at.IsZero() && time.Since(p.at) < aliveAgain {
		return p.err
	}
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), alivePatience, fmt.Errorf("no move within %v", alivePatience))
	defer cancel()
	p.err = server.Alive(ctx)
	if ctx.Err() == nil {
		// What says at once what is wrong is not stuck: a Server that has just begun
		// to drain, say, or a process that can open no more files. Its sessions are
		// worth keeping.
		p.err = nil
	}
	p.at = time.Now()
	return p.err
}

// probe answers with 200 when every check is met, else 503. ?verbose lists them.
func probe(name string, checks func(context.Context) []check) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		all := checks(r.Context())
		var failed []string
		var lines strings.Builder
		for _, c := range all {
			if c.err != nil {
				failed = append(failed, c.err.Error())
				fmt.Fprintf(&lines, "[-] %s: %v\n", c.name, c.err)
				continue
			}
			fmt.Fprintf(&lines, "[+] %s: ok\n", c.name)
		}
		text, code := "ok\n", http.StatusOK
		if len(failed) > 0 {
			text, code = name+" probe failed: "+strings.Join(failed, "; ")+"\n", http.StatusServiceUnavailable
		}
		if r.URL.Query().Has("verbose") {
			text = lines.String() + text
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(code)
		fmt.Fprint(w, text)
	}
}
