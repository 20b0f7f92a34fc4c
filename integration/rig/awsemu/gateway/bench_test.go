package gateway

import (
	"io"
	"net"
	"testing"
)

// BenchmarkUpload and BenchmarkDownload say what the emulator itself can carry
// in 1 KiB messages: a client measured against it cannot be faster.
func BenchmarkUpload(b *testing.B) {
	benchmark(b, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }, func(s io.ReadWriter, block []byte) error {
		_, err := s.Write(block)
		return err
	})
}

func BenchmarkDownload(b *testing.B) {
	benchmark(b, func(conn net.Conn) {
		block := make([]byte, 32<<10)
		for {
			if _, err := conn.Write(block); err != nil {
				return
			}
		}
	}, func(s io.ReadWriter, block []byte) error {
		_, err := io.ReadFull(s, block)
		return err
	})
}

func benchmark(b *testing.B, serve func(net.Conn), step func(io.ReadWriter, []byte) error) {
	g := startService(b, Config{OfficialClient: true})
	c := newClient(b, g, target(b, serve))
	c.ready()
	s, err := c.mux().OpenStream()
	if err != nil {
		b.Fatal(err)
	}
	if _, err := s.Write([]byte("go")); err != nil {
		b.Fatal(err)
	}
	block := make([]byte, 32<<10)
	b.SetBytes(int64(len(block)))
	b.ReportAllocs()
	for b.Loop() {
		if err := step(s, block); err != nil {
			b.Fatal(err)
		}
	}
}
