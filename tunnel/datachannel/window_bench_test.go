package datachannel

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkWindow is one message of 1 KiB added and the oldest acknowledged,
// with as many under way; each also looks for what is due.
func BenchmarkWindow(b *testing.B) {
	for _, underway := range []int{1, 64, 1000} {
		b.Run(fmt.Sprintf("underway=%d", underway), func(b *testing.B) {
			w := newTestWindow()
			now := time.Now()
			frame := make([]byte, 1140)
			add := func() {
				s := w.fresh(len(frame))
				s.frame = append(s.frame, frame...)
				w.add(now, s)
			}
			for range underway {
				add()
			}
			b.SetBytes(1024)
			b.ReportAllocs()
			for b.Loop() {
				now = now.Add(time.Microsecond)
				add()
				if !w.acknowledge(now, w.base()) {
					b.Fatal("nothing to acknowledge")
				}
				if w.due(now) != nil {
					b.Fatal("a message is due")
				}
			}
		})
	}
}

// BenchmarkReplay is a whole window of 1,000 messages sent again, as on every
// new transport.
func BenchmarkReplay(b *testing.B) {
	w := newTestWindow()
	now := time.Now()
	const messages = 1000
	for range messages {
		s := w.fresh(1140)
		s.frame = s.frame[:1140]
		w.add(now, s)
	}
	b.SetBytes(messages * 1024)
	b.ReportAllocs()
	for b.Loop() {
		w.replay()
		n := 0
		for w.due(now) != nil {
			n++
		}
		if n != messages {
			b.Fatalf("%d messages sent again, want %d", n, messages)
		}
	}
}
