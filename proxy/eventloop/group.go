package eventloop

// Way is a direction of a relay.
type Way int

// The ways; the zero Way is neither.
const (
	Up   Way = iota + 1 // from the client to the database
	Down                // from the database to the client
)

// Result is how a relay ended.
type Result struct {
	// Up and Down are the bytes taken from the client and from the database.
	Up, Down int64
	// Ended is the way that ended, and zero when the context did; the other one
	// can go on.
	Ended Way
	// Reading says that reading failed with Err; else it was writing.
	Reading bool
	// Err is io.EOF at a clean end of stream.
	Err error
	// Refused says that the system has no more to give: nothing has happened.
	Refused bool
}
