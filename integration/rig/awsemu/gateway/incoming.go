package gateway

// maxEarlyBytes bounds what one client can make the emulator hold; the genuine
// agent counts messages only.
const maxEarlyBytes = 128 << 20

// incoming puts the client's data messages in order. Only the agent's reader
// uses it.
type incoming struct {
	expected int64
	early    map[int64]message
	bytes    int
}

// hold keeps a message that came too early; false when there is no room.
func (in *incoming) hold(m message) bool {
	old, again := in.early[m.seq]
	if !again && len(in.early) >= bufferCapacity || in.bytes+len(m.payload) > maxEarlyBytes {
		return false
	}
	if in.early == nil {
		in.early = map[int64]message{}
	}
	in.bytes += len(m.payload) - len(old.payload)
	in.early[m.seq] = m
	return true
}

// next is the held message that is now expected.
func (in *incoming) next() (message, bool) {
	m, ok := in.early[in.expected]
	return m, ok
}

// advance counts the expected message as handled.
func (in *incoming) advance() {
	if m, ok := in.early[in.expected]; ok {
		in.bytes -= len(m.payload)
		delete(in.early, in.expected)
	}
	in.expected++
}
