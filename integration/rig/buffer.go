package rig

import (
	"bytes"
	"strings"
	"sync"
)

// LockedBuffer collects a child's output.
type LockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *LockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *LockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Contains says whether s has been written.
func (l *LockedBuffer) Contains(s string) bool { return strings.Contains(l.String(), s) }
