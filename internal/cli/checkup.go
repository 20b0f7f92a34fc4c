package cli

import (
	"context"
	"log/slog"

	"github.com/pgkeyless/pgkeyless/internal/checkup"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/credentials"
	"github.com/pgkeyless/pgkeyless/internal/doctor"
	"github.com/pgkeyless/pgkeyless/internal/signals"
)

// withCheckup lets f look at t until a signal comes, which is then the error, and
// ends the SSM session that f has left.
func (a *app) withCheckup(ctx context.Context, t config.Target, run config.Run, walk *doctor.Walk, f func(context.Context, *checkup.Checkup) error) error {
	log := slog.New(slog.DiscardHandler)
	if run.DebugLogs {
		log = newLog(a.stderr, run)
	}
	looking, stop := a.untilSignal(ctx, func(stopped *signals.Stopped) {
		if walk != nil {
			walk.Interrupt(stopped.Code())
		}
	})
	defer stop()
	profiles := a.profiles(run)
	if walk != nil {
		profiles.People = besides(walk, profiles.People)
	}
	c := checkup.New(checkup.Config{Target: t, LoginTimeout: run.LoginTimeout, Walk: walk, Profiles: profiles, Log: log})
	defer c.Close(ctx)
	err := f(looking, c)
	if stopped := context.Cause(looking); stopped != nil {
		return stopped
	}
	return err
}

// untilSignal returns a context that a signal ends, with a *signals.Stopped as its cause;
// heard, unless nil, is called before. stop gives the signals back.
func (a *app) untilSignal(ctx context.Context, heard func(*signals.Stopped)) (until context.Context, stop func()) {
	caught, release := a.notify()
	until, cancel := context.WithCancelCause(ctx)
	waiting := make(chan struct{})
	go func() {
		defer close(waiting)
		select {
		case s := <-caught:
			stopped := &signals.Stopped{Signal: s}
			if heard != nil {
				heard(stopped)
			}
			cancel(stopped)
		case <-until.Done():
		}
	}()
	return until, func() {
		release()
		cancel(nil)
		<-waiting
	}
}

// besides asks as p does, and lets the walk's progress rest meanwhile.
func besides(walk *doctor.Walk, p credentials.People) credentials.People {
	if ask := p.MFACode; ask != nil {
		p.MFACode = func(ctx context.Context, q credentials.MFAQuestion) (code string, err error) {
			walk.Aside(func() { code, err = ask(ctx, q) })
			return code, err
		}
	}
	if show := p.SSOPage; show != nil {
		p.SSOPage = func(page credentials.SSOPage) { walk.Aside(func() { show(page) }) }
	}
	return p
}
