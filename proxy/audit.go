package proxy

import (
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// What an AuditEvent is about.
const (
	AuditLogin   = "login"   // a client is about to be sent its first ReadyForQuery
	AuditRefusal = "refusal" // a client that has sent a StartupMessage is not logged in
	AuditCancel  = "cancel"  // a CancelRequest
	AuditEnd     = "end"     // the end of a session that was logged in
)

// AuditEvent is an event for an audit log. It holds no SQL, and no start-up parameter
// other than those of SessionSnapshot.
type AuditEvent struct {
	Kind string
	At   time.Time
	SessionSnapshot
	SSMSession string        // that carries it; "" without a tunnel
	Took       time.Duration // of the login, or of the whole session
	// Ready is when the login was made that the client got; zero where it was made for it.
	Ready time.Time
	// Method is how the database asked for an ordinary password at this login; empty where
	// the login took a token.
	Method   string
	SQLState string // of a refusal
	Cause    string // the row of the table of causes; may be empty
	// Reason is why a session ended, or what became of a cancel request. Of a login it is
	// AuditAgain, or empty.
	Reason string
}

// AuditAgain is the Reason of the second login event of a session: the ready login that its
// client got has ended before the client asked anything, and this login has replaced it.
const AuditAgain = "ready login ended"

// audit tells Config.Audit of e, which is completed.
func (s *session) audit(e AuditEvent) error {
	if s.server.audit == nil {
		return nil
	}
	s.server.tally.mu.Lock()
	e.SessionSnapshot = s.entry.SessionSnapshot
	s.server.tally.mu.Unlock()
	e.At, e.SSMSession = time.Now(), s.ssmSession
	e.BytesUp, e.BytesDown = s.entry.traffic.up.Load(), s.entry.traffic.down.Load()
	return s.server.audit(e)
}

// auditLogin is the last thing before a client is let in: without a record it is not.
func (s *session) auditLogin() error { return s.auditLoginOf(AuditEvent{Took: time.Since(s.asked)}) }

// auditLoginOf is auditLogin with what else there is to say of the login.
func (s *session) auditLoginOf(e AuditEvent) error {
	e.Kind, e.Method = AuditLogin, s.method
	if err := s.audit(e); err != nil {
		return causes.AuditFailed.New(nil, err)
	}
	return nil
}

// auditLater records what has happened already. The log says when that fails.
func (s *session) auditLater(e AuditEvent) {
	if err := s.audit(e); err != nil {
		s.log.Error("the audit log lacks a record", "kind", e.Kind, "error", err)
	}
}
