package proxy

import (
	"runtime"
	"testing"
	"testing/synctest"
)

// TestMemoryOfSilentClients bounds what a client costs that says nothing, or
// stops in the middle, so that maxLobby bounds them all.
func TestMemoryOfSilentClients(t *testing.T) {
	tests := []struct {
		name  string
		talk  func(c *client)
		bound int64 // bytes a client, with its end of the pipe
	}{
		{"says nothing", func(*client) {}, 24 << 10},
		{"most of the longest packet", func(c *client) {
			c.send([]byte{0, 0, 0x27, 0x14}, make([]byte, maxStartup-1))
		}, 48 << 10},
		{"stops before the handshake", func(c *client) { c.send(sslRequest); c.expect([]byte{'S'}) }, 24 << 10},
		{"stops amid the handshake", func(c *client) {
			c.send(sslRequest)
			c.expect([]byte{'S'})
			record := []byte{0x16, 3, 1, 0x40, 0}
			c.send(record, []byte{1, 0, 0xff, 0xff}, make([]byte, 16<<10-4))
			c.send(record, make([]byte, 16<<10), record, make([]byte, 16<<10), record)
		}, 160 << 10},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil, nil)
				const clients = 200
				before := memory()
				for range clients {
					test.talk(r.dial())
				}
				synctest.Wait()
				each := (memory() - before) / clients
				t.Logf("%d bytes a client", each)
				if each > test.bound {
					t.Errorf("a client costs %d bytes, want at most %d", each, test.bound)
				}
				r.stop()
			})
		})
	}
}

// memory is what is in use on the heap and by goroutines.
func memory() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
