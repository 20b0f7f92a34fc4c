package serving

import (
	"context"

	"github.com/pgkeyless/pgkeyless/internal/prompt"
)

// hangups says what SIGHUP means: to reload, where there is something to reload
// and the terminal is not lost. The zero value: to end, as by other signals.
type hangups struct {
	reload func(context.Context) // nil when there is nothing to reload
	// lost says whether the terminal that the process began on is gone. Its end
	// sends the same signal as people do.
	lost func() bool
}

func (h hangups) reloads() bool { return h.reload != nil && !h.lost() }

// reloader reloads, one at a time, when wanted is sent to. finish waits for the
// one that goes on, which ctx should have ended.
func (h hangups) reloader(ctx context.Context) (wanted chan<- struct{}, finish func()) {
	requests, done := make(chan struct{}, 1), make(chan struct{})
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
