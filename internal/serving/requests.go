package serving

import (
	"os"
	"sync"

	"github.com/pgkeyless/pgkeyless/internal/signals"
)

// requests is the signals that a process gets, and the wishes to end it that come
// over its private socket, as one stream.
type requests struct {
	signals <-chan os.Signal
	stop    func() // waits for the goroutine
}

// withRequests joins caught and what quit says. quit never waits; once is enough.
func withRequests(caught <-chan os.Signal) (r requests, quit func()) {
	out, asked, done := make(chan os.Signal), make(chan struct{}, 1), make(chan struct{})
	var forwarding sync.WaitGroup
	forwarding.Go(func() {
		for {
			var next os.Signal
			select {
			case next = <-caught:
			case <-asked:
				next = signals.Quit
			case <-done:
				return
			}
			select {
			case out <- next:
			case <-done:
				return
			}
		}
	})
	quit = func() {
		select {
		case asked <- struct{}{}:
		default: // one is waiting already
		}
	}
	return requests{out, func() { close(done); forwarding.Wait() }}, quit
}
