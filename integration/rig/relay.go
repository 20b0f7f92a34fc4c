package rig

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// Relay passes connections on and counts them.
type Relay struct {
	count atomic.Int64
}

// StartRelay passes what comes to address on to others, each in turn, until the test's
// end.
func StartRelay(t *testing.T, address string, to ...string) *Relay {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	r := new(Relay)
	served := r.serve(l, to)
	t.Cleanup(func() {
		l.Close()
		served.Wait()
	})
	return r
}

// Count is how many connections there have been.
func (r *Relay) Count() int { return int(r.count.Load()) }

// serve passes connections of l on until it is closed, and they have ended.
func (r *Relay) serve(l net.Listener, to []string) *sync.WaitGroup {
	served := new(sync.WaitGroup)
	served.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			next := to[(int(r.count.Add(1))-1)%len(to)]
			served.Go(func() { relay(near, next) })
		}
	})
	return served
}

// relay carries bytes both ways until either has ended.
func relay(near net.Conn, to string) {
	defer near.Close()
	far, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer far.Close()
	var both sync.WaitGroup
	both.Go(func() { io.Copy(far, near); far.(*net.TCPConn).CloseWrite() })
	io.Copy(near, far)
	near.(*net.TCPConn).CloseWrite()
	both.Wait()
}
