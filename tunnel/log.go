package tunnel

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// maxRecords may wait to be logged; those beyond are lost, and counted.
const maxRecords = 1000

// queued is a slog.Handler whose records are written by a goroutine of its own, in
// order. The Config's may block, on a terminal that is stopped or a pipe that nobody
// reads: dials, resumes and who holds a mutex must not wait for that.
//
// Whoever logs by it is waited for by Dialer.running, or holds Dialer.mu and has
// found the Dialer open.
type queued struct {
	slog.Handler
	d *Dialer
}

func (q queued) Handle(_ context.Context, r slog.Record) error {
	if q.d.records.add(record{q.Handler, r.Clone()}) {
		q.d.running.Go(q.d.records.write)
	}
	return nil
}

func (q queued) WithAttrs(attrs []slog.Attr) slog.Handler {
	return queued{q.Handler.WithAttrs(attrs), q.d}
}

func (q queued) WithGroup(name string) slog.Handler {
	return queued{q.Handler.WithGroup(name), q.d}
}

// records are what waits to be logged.
type records struct {
	mu      sync.Mutex
	waiting []record
	lost    int
	writing bool // there is a goroutine that writes
}

type record struct {
	to   slog.Handler
	what slog.Record
}

// add says whether a goroutine is to be started that writes.
func (rs *records) add(r record) (start bool) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if len(rs.waiting) >= maxRecords {
		rs.lost++
		return false
	}
	rs.waiting = append(rs.waiting, r)
	start, rs.writing = !rs.writing, true
	return start
}

// write logs until nothing waits.
func (rs *records) write() {
	for {
		r, lost, ok := rs.next()
		if !ok {
			return
		}
		_ = r.to.Handle(context.Background(), r.what) // slog.Logger drops the error, too
		if lost > 0 {
			warning := slog.NewRecord(time.Now(), slog.LevelWarn, "log lines lost", 0)
			warning.Add("lines", lost)
			_ = r.to.Handle(context.Background(), warning)
		}
	}
}

// next takes the oldest, and how many were lost when it was the last.
func (rs *records) next() (r record, lost int, ok bool) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if len(rs.waiting) == 0 {
		rs.waiting, rs.writing = nil, false
		return record{}, 0, false
	}
	r, rs.waiting = rs.waiting[0], rs.waiting[1:]
	if len(rs.waiting) == 0 {
		lost, rs.lost = rs.lost, 0
	}
	return r, lost, true
}
