package serving

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"syscall"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/signals"
)

// server is what live drives; *proxy.Server is one.
type server interface {
	// Serve works until Shutdown is done or ctx ends, which ends it at once.
	Serve(ctx context.Context) error
	// Shutdown stops accepting and lets sessions end until ctx ends.
	Shutdown(ctx context.Context) error
}

// live runs srv until it ends by itself, ctx ends or a signal comes; SIGHUP is
// none while hangups takes it for the wish to reload.
//
//	1st signal ─ SIGTERM: MinSigtermDelay ─→ Shutdown ─ sessions end, or
//	2nd signal, but SIGHUP, or MaxSigtermDelay ─────────────────────→ they are cut
//
// stopping is called at the first signal. After one live returns a
// *signals.Stopped, or nil after SIGTERM when that is to count as success. It never
// returns before Serve has.
func live(ctx context.Context, srv server, signals <-chan os.Signal, run config.Run, hangups hangups, stopping func(), log *slog.Logger) error {
	serving, cut := context.WithCancel(ctx)
	defer cut()
	served := make(chan error, 1)
	go func() { served <- srv.Serve(serving) }()
	wanted, finish := hangups.reloader(serving)
	defer func() { cut(); finish() }()

	var first os.Signal
	for first == nil {
		select {
		case err := <-served:
			return endOf(ctx, err)
		case s := <-signals:
			if s == syscall.SIGHUP && hangups.reloads() {
				select {
				case wanted <- struct{}{}:
				default: // one is waiting already, and will see all
				}
				continue
			}
			first = s
		}
	}
	log.Info("stopping; a second signal ends open sessions", "signal", first.String(), "at_most", run.MaxSigtermDelay)
	stopping()
	drain(serving, cut, srv, first, signals, run, log)
	if err := endOf(serving, <-served); err != nil {
		return err
	}
	return stoppedBy(first, run)
}

// stoppedBy is the end of a run by a signal, nil where that counts as success.
func stoppedBy(s os.Signal, run config.Run) error {
	if s == signals.Quit || s == syscall.SIGTERM && run.ExitZeroOnSigterm {
		return nil
	}
	return &signals.Stopped{Signal: s}
}

// UnlessStopped does work, which must end with its ctx, and waits for it. A
// signal ends it and the run, with what the run is to return.
func UnlessStopped(ctx context.Context, signals <-chan os.Signal, run config.Run, work func(context.Context) error) (stopped bool, err error) {
	return unlessStopped(ctx, signals, run, new(hangups), work)
}

// unlessStopped is UnlessStopped, where SIGHUP may be the wish to reload what is
// not ready yet; hangups keeps that.
func unlessStopped(ctx context.Context, signals <-chan os.Signal, run config.Run, hangups *hangups, work func(context.Context) error) (stopped bool, err error) {
	working, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- work(working) }()
	for {
		select {
		case err := <-done:
			return false, err
		case s := <-signals:
			if s == syscall.SIGHUP && hangups.reloads() {
				hangups.pending = true
				continue
			}
			cancel()
			<-done
			return true, stoppedBy(s, run)
		}
	}
}

// drain returns when no session is left, or cut has been called.
func drain(serving context.Context, cut func(), srv server, first os.Signal, signals <-chan os.Signal, run config.Run, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(serving, run.MaxSigtermDelay)
	defer cancel()
	drained := make(chan error, 1)
	go func() {
		if first == syscall.SIGTERM {
			wait(ctx, run.MinSigtermDelay)
		}
		drained <- srv.Shutdown(ctx)
	}()
	for {
		select {
		case err := <-drained:
			if errors.Is(err, context.DeadlineExceeded) {
				log.Warn("open sessions cut", "after", run.MaxSigtermDelay)
			}
			cut()
			return
		case second := <-signals:
			if second == syscall.SIGHUP { // a reload that came too late, or the terminal's end
				continue
			}
			log.Info("ending open sessions", "signal", second.String())
			cut()
			<-drained
			return
		}
	}
}

// wait returns after d or when ctx ends.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// endOf drops the error that only repeats that ctx has ended.
func endOf(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}
