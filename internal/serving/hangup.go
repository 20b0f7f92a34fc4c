package serving

import (
	"context"

	"github.com/pgkeyless/pgkeyless/internal/prompt"
)

// hangups says what SIGHUP means: to reload, where there is something to reload
// and the terminal is not lost. The zero value: to end, as by other signals.
//
//	opening    kept, one reload as soon as the run is ready
//	ready      a reload
//	draining   nothing: the run ends already
type hangups struct {
	reloadable bool // there is a config file to read again
	// lost says whether the terminal that the process began on is gone. Its end
	// sends the same signal as people do.
	lost    func() bool
	pending bool // one came before the run was ready
	// reload reads the configuration again; it is set once the run is ready.
	reload func(context.Context)
}

func (h hangups) reloads() bool { return h.reloadable && !h.lost() }

// reloader reloads, one at a time, when wanted is sent to. finish waits for the
// one that goes on, which ctx should have ended.
func (h hangups) reloader(ctx context.Context) (wanted chan<- struct{}, finish func()) {
	requests, done := make(chan struct{}, 1), make(chan struct{})
	if h.pending {
		requests <- struct{}{}
	}
	go func() {
		defer close(done)
		for range requests {
			h.reload(ctx)
		}
	}()
	return requests, func() { close(requests); <-done }
}

// terminalWatch notes whether the process has a terminal, and returns how to
// tell that it has lost it.
func terminalWatch() (lost func() bool) {
	had := prompt.HasTerminal()
	return func() bool { return had && !prompt.HasTerminal() }
}
