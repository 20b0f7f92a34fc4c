package gateway

import (
	"context"
	"time"
)

// closeGrace is how long the client may take to close its websocket after
// channel_closed before the service does it with code 1000.
const closeGrace = time.Second

// end ends the session, once: the agent stops, and the client, if there is one,
// is told with channel_closed. It waits for nothing. False: it had ended before.
func (s *session) end(ending, output string) bool { return s.endWith(ending, output, nil) }

// endWith is end with a payload of its own for channel_closed, unless nil.
func (s *session) endWith(ending, output string, payload []byte) bool {
	s.g.mu.Lock()
	if !s.live() {
		s.g.mu.Unlock()
		return false
	}
	s.info.State, s.info.Ended = Terminated, time.Now()
	s.info.Ending, s.info.Output = ending, output
	f := s.front
	s.g.mu.Unlock()
	s.log.Info("SSM session ended", "ending", ending, "output", output)
	s.watch.ended(ending)
	s.cancel()
	if f != nil {
		closed := newClosed(s.info.ID, s.info.Target, output, s.g.cfg.FullHeaderClose)
		if payload != nil {
			closed.payload = payload
		}
		s.g.goRun(func() { s.hangUp(f, closed.encode()) })
	}
	s.g.changed()
	return true
}

// hangUp sends the last message after those under way, and drops the websocket
// of a client that does not take it.
func (s *session) hangUp(f *front, closed []byte) {
	ctx, cancel := context.WithTimeout(f.ctx, 2*closeGrace)
	defer cancel()
	if s.toClient.put(ctx, parcel{frame: closed, last: true}, 0) == nil {
		select {
		case <-f.done:
			return
		case <-time.After(4 * closeGrace):
		}
	}
	f.drop()
}
