package proxy

import "time"

// explain tells the client why its session ends, where the way to the database
// says why: a tunnel's session that was closed or lost. The client must stand
// between two messages of the database; in the middle of one it would take our
// words for the database's data.
//
// PostgreSQL itself says so when it has to end a session, at any time, so clients
// know what to do with it.
func (r *relay) explain(err error) {
	if sqlState(err) == "" || r.said.Load() {
		return
	}
	words, failed := response(&lostInSession{err}, "").Encode(nil)
	if failed != nil {
		return
	}
	r.client.SetWriteDeadline(time.Now().Add(farewell))
	r.client.Write(words) // its own error changes nothing any more
}

// lostInSession is the end of a session in the words of what ended it, with an
// SQLSTATE that makes every client give up the connection.
type lostInSession struct{ error }

func (l *lostInSession) Unwrap() error { return l.error }

// SQLState is 57P01 for an end in good order, else 08006.
func (l *lostInSession) SQLState() string {
	if code := sqlState(l.error); code == stateShuttingDown {
		return code
	}
	return stateConnectionLost
}
