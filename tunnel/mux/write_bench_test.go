package mux

import (
	"fmt"
	"testing"
)

// BenchmarkStreamWrite is one Write and the messages of 1 KiB that carry it.
func BenchmarkStreamWrite(b *testing.B) {
	for _, size := range []int{100, 1016, 32 << 10} {
		b.Run(fmt.Sprintf("bytes=%d", size), func(b *testing.B) {
			m := New(Config{MaxSendBuffer: 64 << 10})
			s := mustOpen(b, m)
			data := make([]byte, size)
			p := make([]byte, 1024)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if n, err := s.Write(data); n != size || err != nil {
					b.Fatalf("Write = %d, %v", n, err)
				}
				for m.Fill(p) > 0 {
				}
			}
		})
	}
}

// BenchmarkStreamWriteWaiting is Write against a carrier on another goroutine,
// with a send buffer that is mostly full: what bulk data meets.
func BenchmarkStreamWriteWaiting(b *testing.B) {
	m := New(Config{MaxSendBuffer: 64 << 10})
	s := mustOpen(b, m)
	done := make(chan struct{})
	var carried int
	stop := make(chan struct{})
	go func() {
		defer close(done)
		p := make([]byte, 1024)
		for {
			select {
			case <-m.Ready():
			case <-stop:
				return
			}
			for n := m.Fill(p); n > 0; n = m.Fill(p) {
				carried += n
			}
		}
	}()
	data := make([]byte, 32<<10)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if n, err := s.Write(data); n != len(data) || err != nil {
			b.Fatalf("Write = %d, %v", n, err)
		}
	}
	close(stop)
	<-done
	if carried == 0 {
		b.Error("nothing was carried")
	}
}
