package proxy

import (
	"slices"
	"sync"
)

// maxGuesses bounds how many users one Route remembers. Few people share a
// proxy, and a user that is forgotten costs one round trip.
const maxGuesses = 64

// guesses remembers whose last login at a Route was answered by a request for a
// clear-text password: the next is likely to be, and may send its token without
// having been asked. The zero value is ready, a nil one remembers nobody. It is
// safe for concurrent use.
type guesses struct {
	mu    sync.Mutex
	users []string // the latest to log in is last
}

// clearText reports whether a login as user may send its token unasked.
func (g *guesses) clearText(user string) bool {
	if g == nil {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Contains(g.users, user)
}

// note keeps how a login as user went: answered by a request for clear text and
// let in, or not asked for that. Of too many users the one that has not logged
// in for longest is forgotten.
func (g *guesses) note(user string, clearText bool) {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.Index(g.users, user); i >= 0 {
		g.users = slices.Delete(g.users, i, i+1)
	}
	if !clearText {
		return
	}
	if len(g.users) == maxGuesses {
		g.users = slices.Delete(g.users, 0, 1)
	}
	g.users = append(g.users, user)
}

// wrongGuess is a login that failed after its token was sent unasked, and
// before the database asked for it. The client has been sent nothing, so the
// login may be repeated.
type wrongGuess struct{ error }

func (w *wrongGuess) Unwrap() error { return w.error }
