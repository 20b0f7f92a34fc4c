package gateway

import (
	"encoding/binary"
	"fmt"
)

// muxCheck follows the smux frames of the client.
type muxCheck struct {
	head   []byte // of a frame that is not complete
	skip   int    // data bytes of the current frame still to come
	last   uint32 // highest stream id
	done   map[uint32]bool
	broken bool // after an error nothing can be told
}

func (c *muxCheck) check(b []byte) error {
	for len(b) > 0 && !c.broken {
		if c.skip > 0 {
			n := min(c.skip, len(b))
			b, c.skip = b[n:], c.skip-n
			continue
		}
		n := min(8-len(c.head), len(b))
		c.head, b = append(c.head, b[:n]...), b[n:]
		if len(c.head) < 8 {
			return nil
		}
		err := c.frame(c.head)
		c.head = c.head[:0]
		if err != nil {
			c.broken = true
			return err
		}
	}
	return nil
}

// frame checks one header: version, command, length (little-endian), stream id.
func (c *muxCheck) frame(h []byte) error {
	const syn, fin, psh, nop = 0, 1, 2, 3
	command, length := h[1], int(binary.LittleEndian.Uint16(h[2:]))
	id := binary.LittleEndian.Uint32(h[4:])
	if h[0] != 1 || command > nop || command != psh && length != 0 {
		return fmt.Errorf("not a frame of version 1: % x", h)
	}
	c.skip = length
	switch command {
	case nop:
		return nil
	case syn:
		if id < 3 || id%2 == 0 || id <= c.last {
			return fmt.Errorf("stream %d opened after %d", id, c.last)
		}
		c.last = id
		return nil
	}
	if id > c.last {
		return fmt.Errorf("frame for stream %d, which is not open", id)
	}
	if c.done[id] {
		return fmt.Errorf("frame for stream %d after its FIN", id)
	}
	if command == fin {
		if c.done == nil {
			c.done = map[uint32]bool{}
		}
		c.done[id] = true
	}
	return nil
}
