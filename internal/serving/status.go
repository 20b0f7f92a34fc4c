package serving

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/proxy"
)

// maxNamed is how many targets the status line names.
const maxNamed = 5

// status says in one line what is served, and whether logins fail. It is safe for
// concurrent use.
type status struct {
	snapshot func() proxy.Snapshot

	mu       sync.Mutex
	targets  []string
	refused  bool // the last reload
	stopping bool
	logins   int64 // as of the last line
	failed   int64
	trouble  string // "", or which logins fail
	since    time.Time
}

// serves notes what is served from now on.
func (s *status) serves(f front) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.targets = names(f)
}

// reloaded notes how the last reload ended.
func (s *status) reloaded(refused bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = refused
}

// stops notes that the run ends.
func (s *status) stops() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopping = true
}

// line is the status at now. Which logins fail is told by those since the last line.
func (s *status) line(now time.Time) string {
	seen := s.snapshot()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note(seen, now)
	var b strings.Builder
	if s.stopping {
		b.WriteString("stopping, ")
	} else {
		b.WriteString("serving " + display.Line(shortList(s.targets)) + ": ")
	}
	b.WriteString(counted(seen.Open-seen.Starting, "session"))
	if s.trouble != "" {
		fmt.Fprintf(&b, "; %s since %s", s.trouble, s.since.Format("15:04:05"))
	}
	if s.refused {
		b.WriteString("; last reload refused")
	}
	return b.String()
}

// note compares the counters with those of the last line.
func (s *status) note(seen proxy.Snapshot, now time.Time) {
	var failed int64
	for _, n := range seen.FailedLogins {
		failed += n
	}
	fails, works := failed > s.failed, seen.Logins > s.logins
	s.failed, s.logins = failed, seen.Logins
	switch {
	case works && !fails:
		s.trouble = ""
		return
	case !fails:
		return
	case s.trouble == "":
		s.since = now
	}
	s.trouble = "logins fail"
	if works {
		s.trouble = "some logins fail"
	}
}

// shortList names the first few of many.
func shortList(names []string) string {
	if more := len(names) - maxNamed; more > 0 {
		return strings.Join(names[:maxNamed], ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(names, ", ")
}

func counted(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
