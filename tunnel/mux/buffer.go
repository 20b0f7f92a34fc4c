package mux

import "sync"

// chunkSize makes a chunk exactly 8 KiB of memory.
const chunkSize = 8<<10 - 24

// chunk is one link of a buffer.
type chunk struct {
	next *chunk
	r, w int // data[r:w] is unread
	data [chunkSize]byte
}

// buffer is a queue of bytes in linked chunks: nothing is moved as it grows, and
// what has been read goes back to the pool at once. It holds at most two chunks
// more than its bytes need.
type buffer struct {
	pool       *sync.Pool
	head, tail *chunk
	size       int
}

func (b *buffer) len() int { return b.size }

// write appends a copy of p.
func (b *buffer) write(p []byte) {
	b.size += len(p)
	for len(p) > 0 {
		if b.tail == nil || b.tail.w == chunkSize {
			b.grow()
		}
		n := copy(b.tail.data[b.tail.w:], p)
		b.tail.w += n
		p = p[n:]
	}
}

func (b *buffer) grow() {
	c, _ := b.pool.Get().(*chunk)
	if c == nil {
		c = new(chunk)
	}
	if b.tail == nil {
		b.head = c
	} else {
		b.tail.next = c
	}
	b.tail = c
}

// read moves bytes into p, as many as there are and fit, and returns the number.
func (b *buffer) read(p []byte) int {
	total := 0
	for len(p) > 0 && b.size > 0 {
		c := b.head
		n := copy(p, c.data[c.r:c.w])
		c.r += n
		b.size -= n
		total += n
		p = p[n:]
		if c.r == c.w {
			b.drop()
		}
	}
	return total
}

// release throws all bytes away.
func (b *buffer) release() {
	for b.head != nil {
		b.drop()
	}
	b.size = 0
}

// drop gives the first chunk back.
func (b *buffer) drop() {
	c := b.head
	if b.head = c.next; b.head == nil {
		b.tail = nil
	}
	c.next, c.r, c.w = nil, 0, 0
	b.pool.Put(c)
}
