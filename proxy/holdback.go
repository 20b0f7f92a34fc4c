package proxy

import (
	"net"
	"sync"
)

// maxHeld is the longest message that is held back until it is whole. One that
// announces more goes through as it comes: a client could wait for its beginning.
const maxHeld = bufferSize

// holdback passes on to a client what its database says, in whole messages: the
// beginning of one that is not whole yet is held back. When the way to the database
// is lost, the client then stands between two messages, and can be told why; in a
// download it hardly ever would. Whole messages wait for nothing.
//
// It is for tunnels: they bring a message in pieces of a kibibyte, and end without
// warning. It holds a buffer only while it holds something. Not safe for concurrent
// use.
type holdback struct {
	net.Conn
	buffers *sync.Pool // of *[bufferSize]byte
	come    boundary   // in what has come
	held    int        // bytes at the beginning of buffer
	buffer  *[bufferSize]byte
}

// Write writes what is whole with p, and keeps the rest.
func (h *holdback) Write(p []byte) (int, error) {
	h.come.follow(p)
	rest := h.come.begun(maxHeld)
	whole := len(p) - rest
	if rest == h.held+len(p) {
		whole = 0
	}
	err := h.pass(p[:whole])
	if err == nil {
		h.keep(p[whole:])
	}
	return len(p), err
}

// pass writes what is held and p behind it, in one piece where that is not much;
// with nothing in p, what is held stays.
func (h *holdback) pass(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	if h.held > 0 && h.held+len(p) <= bufferSize {
		h.keep(p)
		return h.flush()
	}
	if err := h.flush(); err != nil {
		return err
	}
	_, err := h.Conn.Write(p)
	return err
}

func (h *holdback) keep(p []byte) {
	if len(p) == 0 {
		return
	}
	if h.buffer == nil {
		h.buffer = h.buffers.Get().(*[bufferSize]byte)
	}
	h.held += copy(h.buffer[h.held:], p)
}

// flush writes what is held.
func (h *holdback) flush() error {
	if h.held == 0 {
		return nil
	}
	_, err := h.Conn.Write(h.buffer[:h.held])
	h.forget()
	return err
}

// forget throws away what is held.
func (h *holdback) forget() {
	if h.buffer != nil {
		h.buffers.Put(h.buffer)
		h.buffer, h.held = nil, 0
	}
}
