package mux

import (
	"fmt"
	"testing"
)

// One message of 1 KiB per iteration, taken from streams that always have more.
func BenchmarkFill(b *testing.B) {
	for _, streams := range []int{1, 8} {
		b.Run(fmt.Sprintf("streams=%d", streams), func(b *testing.B) {
			m := New(Config{MaxSendBuffer: 64 << 10})
			all := make([]*Stream, streams)
			data := make([]byte, 1016)
			for i := range all {
				all[i] = mustOpen(b, m)
				all[i].Write(data)
			}
			p := make([]byte, 1024)
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				all[i%streams].Write(data)
				i++
				if m.Fill(p) == 0 {
					b.Fatal("nothing to send")
				}
			}
		})
	}
}

// One message of 1 KiB per iteration, read at once.
func BenchmarkDeliver(b *testing.B) {
	for _, streams := range []int{1, 8} {
		b.Run(fmt.Sprintf("streams=%d", streams), func(b *testing.B) {
			m := New(Config{})
			all := make([]*Stream, streams)
			in := make([][]byte, streams)
			for i := range all {
				all[i] = mustOpen(b, m)
				in[i] = wire(wireFrame{psh, all[i].id, string(make([]byte, 1016))})
			}
			m.Fill(make([]byte, 1024))
			p := make([]byte, 32<<10)
			b.SetBytes(1016)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if err := m.Deliver(in[i%streams]); err != nil {
					b.Fatal(err)
				}
				if n, err := all[i%streams].Read(p); n != 1016 || err != nil {
					b.Fatalf("Read = %d, %v", n, err)
				}
				i++
			}
		})
	}
}
