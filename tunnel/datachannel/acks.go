package datachannel

import "time"

// owed is one message of the agent to acknowledge.
type owed struct {
	id  UUID
	seq int64
}

// maxOwed acknowledges may wait to be written; then reading waits. Four seconds
// of what an agent sends.
const maxOwed = 4096

// ackDelay is how long an acknowledge may wait for company: others, or data of ours.
// Agents send a message again after a round trip and 10 ms at the earliest, and look
// each 100 ms. Those that would keep an agent from a repair go at once, and so do
// ackBatch of them.
const (
	ackDelay = 4 * time.Millisecond
	ackBatch = 32
)

// maxWritten acknowledges are remembered after they were written: a second of
// what an agent sends.
const maxWritten = 1024

// acks is the queue of acknowledges to write, oldest first. What waits survives
// the transport. Not safe for concurrent use.
//
// The agent asks for a lost acknowledge by sending its message again, but only
// its oldest message, ten times a second at most: a hundred lost acknowledges
// keep it from repairing anything else for ten seconds. So those written lately
// are kept, to be repeated together.
type acks struct {
	waiting []owed
	head    int // of waiting; what stands before it is written
	written []writtenAck
	next    int // of written, a ring once it is full
}

// forgotten is the number of a written acknowledge that is not to be repeated.
const forgotten = -1

type writtenAck struct {
	owed
	at time.Time
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
func (a *acks) pop(now time.Time) (owed, bool) {
	if a.len() == 0 {
		return owed{}, false
	}
	o := a.waiting[a.head]
	if a.head++; a.head == len(a.waiting) {
		a.waiting, a.head = a.waiting[:0], 0
	}
	if len(a.written) < maxWritten {
		a.written = append(a.written, writtenAck{o, now})
	} else {
		a.written[a.next] = writtenAck{o, now}
		a.next = (a.next + 1) % maxWritten
	}
	return o, true
}

// repeat queues again what was written between since and until for messages
// from number first on, oldest first, as far as there is room. A message that
// came often is acknowledged once more, not as often again.
func (a *acks) repeat(first int64, since, until time.Time) {
	repeated := make(map[int64]bool)
	for i := range a.written {
		w := &a.written[(a.next+i)%len(a.written)]
		if w.seq < first || w.at.Before(since) || w.at.After(until) {
			continue
		}
		if a.full() {
			return
		}
		if !repeated[w.seq] {
			repeated[w.seq] = true
			a.push(w.owed)
		}
		w.seq = forgotten // it comes back when it is written again
	}
}
