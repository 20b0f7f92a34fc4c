package proxy

import "sync/atomic"

// traffic counts what a running session carries. Both ways write, and anybody may
// read meanwhile.
type traffic struct {
	up, down atomic.Int64
	asked    atomic.Bool // the last bytes were the client's
}

// sent notes n bytes of the client.
func (t *traffic) sent(n int) {
	t.up.Add(int64(n))
	if !t.asked.Load() {
		t.asked.Store(true)
	}
}

// received notes n bytes of the database.
func (t *traffic) received(n int) {
	t.down.Add(int64(n))
	if t.asked.Load() {
		t.asked.Store(false)
	}
}
