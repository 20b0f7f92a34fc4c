// Package eventloop relays bytes between pairs of sockets on a few goroutines
// that wait in epoll(7), in place of two goroutines a pair.
//
//	Wrap(socket) ─┬───────────────── client ─┐
//	              └─ crypto/tls ── database ─┴─ Group.Relay ── loop ── epoll
//
// It is there for small turns: a question of a hundred bytes, its answer, and
// again. Two goroutines a pair pay for each turn with reads that find nothing,
// with parking and waking, and with threads that the scheduler wakes to look for
// work. A loop pays one epoll_wait, one read and one write for each way, takes
// many pairs that are ready at once in one go, and holds no buffer and no
// goroutine for a pair at rest: docs/benchmarks.md has the numbers, and what else
// was tried.
//
// # Life of a pair
//
// A conn that may be relayed is wrapped before anything else is done with it, TLS
// included; until Relay it is an ordinary net.Conn. Relay takes the sockets out of
// Go's poller and gives them to a loop, which does nothing but carry bytes both
// ways while all is well. The first end of stream, the first error or the end of
// the context give them back to a goroutine that starts then: the conns, TLS
// included, are ordinary ones again, with nothing lost. What was taken from one but
// could not be written to the other yet stands at the beginning of the other's next
// write, or goes out by Flush. How a session ends in good order is thus told once,
// in package proxy, and not here.
//
// # TLS without blocking
//
// crypto/tls reads and writes as if it could wait. It takes an error that is a
// net.Error with Temporary for one that passes, and keeps what it has read of a
// record; so a read that has nothing says so. A write takes everything, into a
// buffer that is sent afterwards: at most what one read of the other side gave.
//
// It keeps the buffer that it reads into for as long as the conn lives, so it is
// given no more at once than it needs: see records_linux.go.
//
// # Where there is none
//
// Other systems than Linux, and conns that are no sockets, such as the streams of
// a tunnel: Relay then says that it cannot, and package proxy relays with
// goroutines.
package eventloop
