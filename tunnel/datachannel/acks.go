package datachannel

// owed is one message of the agent to acknowledge.
type owed struct {
	id  UUID
	seq int64
}

// maxOwed acknowledges may wait to be written; then reading waits. Four seconds
// of what an agent sends.
const maxOwed = 4096

// acks is the queue of acknowledges to write, oldest first. What waits survives
// the transport; what a lost transport took along the agent asks for by sending
// its message again. Not safe for concurrent use.
type acks struct {
	waiting []owed
	head    int // of waiting; what stands before it is written
}

func (a *acks) len() int   { return len(a.waiting) - a.head }
func (a *acks) full() bool { return a.len() >= maxOwed }

func (a *acks) push(o owed) {
	if a.head > 0 && len(a.waiting) == cap(a.waiting) {
		a.waiting = a.waiting[:copy(a.waiting, a.waiting[a.head:])]
		a.head = 0
	}
	a.waiting = append(a.waiting, o)
}

// pop takes the oldest, to be written now.
func (a *acks) pop() (owed, bool) {
	if a.len() == 0 {
		return owed{}, false
	}
	o := a.waiting[a.head]
	if a.head++; a.head == len(a.waiting) {
		a.waiting, a.head = a.waiting[:0], 0
	}
	return o, true
}
