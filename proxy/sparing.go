package proxy

import (
	"sync"
	"time"
)

// sparing bounds the log lines that strangers can cause at will. It is safe for
// concurrent use; the zero value is ready.
type sparing struct {
	mu    sync.Mutex
	kinds map[string]*spared
	ended bool
}

// spared is one kind of line, for a minute from the first one on.
type spared struct {
	lines int
	more  int64
	sum   func(more int64)
	timer *time.Timer
}

// sparingFor is how long lines are counted together.
const sparingFor = time.Minute

// allows reports whether one more line of that kind is to be written: most of them in
// a minute are. sum gets the number of the others when the minute is over, unless there
// are none.
func (s *sparing) allows(kind string, most int, sum func(more int64)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.kinds[kind]
	if k == nil && !s.ended {
		if s.kinds == nil {
			s.kinds = map[string]*spared{}
		}
		k = &spared{sum: sum}
		k.timer = time.AfterFunc(sparingFor, func() { s.over(kind, k) })
		s.kinds[kind] = k
	}
	if k == nil || k.lines < most {
		if k != nil {
			k.lines++
		}
		return true
	}
	k.more++
	return false
}

// over ends k's minute.
func (s *sparing) over(kind string, k *spared) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kinds[kind] == k {
		delete(s.kinds, kind)
		k.tell()
	}
}

// end ends all minutes. What comes later is written line by line.
func (s *sparing) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	for kind, k := range s.kinds {
		k.timer.Stop()
		delete(s.kinds, kind)
		k.tell()
	}
}

func (k *spared) tell() {
	if k.more > 0 {
		k.sum(k.more)
	}
}
