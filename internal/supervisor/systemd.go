package supervisor

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

const (
	// statusEvery is how often the status is looked at. systemd hears of changes only.
	statusEvery = 5 * time.Second

	// beatsPerLimit is how often, within the watchdog's limit, the process is checked.
	// systemd asks for two at least; with three, one may come late.
	beatsPerLimit = 3

	// stopMargin is added to the time that a drain may take: for ending SSM sessions.
	stopMargin = 15 * time.Second
)

// Alive reports whether the parts of the process that serve clients still do. An
// error, or no answer until ctx ends, means that they do not.
type Alive interface {
	Alive(ctx context.Context) error
}

// Systemd tells systemd how the run goes. Without systemd it tells nobody. Its methods
// are safe for concurrent use.
//
// Source: sd_notify(3), sd_watchdog_enabled(3).
type Systemd struct {
	log      *slog.Logger
	send     func(state string) error
	clock    func() string // the line MONOTONIC_USEC=…
	watchdog time.Duration // its limit; 0 without one
}

// NewSystemd finds systemd by the environment: NOTIFY_SOCKET, and WATCHDOG_USEC.
func NewSystemd(log *slog.Logger) *Systemd {
	s := &Systemd{log: log, clock: daemon.SdNotifyMonotonicUsec}
	if os.Getenv("NOTIFY_SOCKET") == "" {
		return s
	}
	s.send = func(state string) error {
		_, err := daemon.SdNotify(false, state)
		return err
	}
	var err error
	if s.watchdog, err = daemon.SdWatchdogEnabled(true); err != nil {
		log.Warn("systemd's watchdog gets no keep-alives", "error", err)
	}
	return s
}

// Ready says that clients are served, at the start and after a reload. status is one
// line for people.
func (s *Systemd) Ready(status string) { s.tell(daemon.SdNotifyReady, statusLine(status)) }

// Reloading says that a reload begins; Ready ends it.
func (s *Systemd) Reloading() {
	s.tell(daemon.SdNotifyReloading, strings.TrimSuffix(s.clock(), "\n"))
}

// Stopping says that the run ends, which takes atMost, and asks systemd for that much
// time.
func (s *Systemd) Stopping(status string, atMost time.Duration) {
	s.tell(daemon.SdNotifyStopping, fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", (atMost+stopMargin).Microseconds()), statusLine(status))
}

// Keep tells systemd the status whenever it changes and, where there is a watchdog,
// that the process lives, as long as alive says so. It returns when ctx ends.
func (s *Systemd) Keep(ctx context.Context, status func() string, alive Alive) {
	if s.send == nil {
		return
	}
	look := time.NewTicker(statusEvery)
	defer look.Stop()
	var beat <-chan time.Time // never, without a watchdog
	if s.watchdog > 0 {
		t := time.NewTicker(s.watchdog / beatsPerLimit)
		defer t.Stop()
		beat = t.C
		s.beat(ctx, alive)
	}
	told := status()
	s.tell(statusLine(told))
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat:
			s.beat(ctx, alive)
		case <-look.C:
			if now := status(); now != told {
				told = now
				s.tell(statusLine(now))
			}
		}
	}
}

// beat sends a keep-alive, unless the process seems dead.
func (s *Systemd) beat(ctx context.Context, alive Alive) {
	limited, cancel := context.WithTimeout(ctx, s.watchdog/beatsPerLimit)
	defer cancel()
	err := alive.Alive(limited)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		s.log.Warn("no keep-alive for systemd's watchdog", "error", err, "limit", s.watchdog)
	default:
		s.tell(daemon.SdNotifyWatchdog)
	}
}

// tell sends one message of several assignments.
func (s *Systemd) tell(assignments ...string) {
	if s.send == nil {
		return
	}
	if err := s.send(strings.Join(assignments, "\n")); err != nil {
		s.log.Warn("systemd was not notified", "state", assignments[0], "error", err)
	}
}

// statusLine keeps status from becoming two assignments.
func statusLine(status string) string {
	return "STATUS=" + strings.ReplaceAll(status, "\n", " ")
}
