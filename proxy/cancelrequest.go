package proxy

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// cancel forwards a CancelRequest to where its key came from. The client is
// told nothing, whatever happens; one that left goes on being served.
func (s *session) cancel(ctx context.Context, request *pgproto3.CancelRequest) {
	key := s.server.cancels.find(request.ProcessID, request.SecretKey)
	s.server.tally.cancel(key != nil)
	switch {
	case key != nil:
	case request.ProcessID == 0:
		s.withoutKey()
		return
	default:
		s.stranger(ctx, request)
		return
	}
	s.leaveLobby()
	err := s.server.cancels.forward(ctx, key, request)
	reason := "delivered"
	if err != nil {
		reason = "not delivered"
	}
	s.auditLater(AuditEvent{Kind: AuditCancel, Reason: reason})
	if err != nil {
		s.log.Warn("cancel request not delivered", "error", ended(ctx, err))
		return
	}
	s.log.Debug("cancel request delivered", "duration", time.Since(s.began))
}

// withoutKey is a cancel request of a client that was given no key, in whose place drivers
// send zeros. No server has a process 0, so that nobody is asked about it.
func (s *session) withoutKey() {
	if !s.server.strangers.sources.allow(s.source(), time.Now()) {
		return
	}
	s.auditLater(AuditEvent{Kind: AuditCancel, Reason: "no key"})
	s.log.Warn("cancel request not delivered: the server sent its client no cancel key", "hint", keylessHint)
}

// stranger is a cancel request whose key nobody here was told. Another replica may have
// told it.
func (s *session) stranger(ctx context.Context, request *pgproto3.CancelRequest) {
	reason := "unknown key"
	if !s.server.strangers.sources.allow(s.source(), time.Now()) {
		return // of a flood not each is carried on, nor written down
	}
	if s.server.strangers.wanted() {
		var err error
		if reason, err = s.carryOn(ctx, request); err != nil {
			s.log.Info("cancel request with an unknown key not taken by all", "outcome", reason, "error", ended(ctx, err))
		}
	}
	s.auditLater(AuditEvent{Kind: AuditCancel, Reason: reason})
	s.log.Debug("cancel request with an unknown key", "outcome", reason)
}

// carryOn forwards the request of a stranger, and says for the audit log what became of
// it. Until its turn it is in the lobby, which bounds how many wait.
func (s *session) carryOn(ctx context.Context, request *pgproto3.CancelRequest) (said string, err error) {
	peers, err := s.server.strangers.others(ctx, s.client)
	if err != nil {
		return outcome(share{}, share{}), err
	}
	leave, err := s.server.strangers.enter(ctx)
	if err != nil {
		return outcome(share{}, share{}), err
	}
	defer leave()
	s.leaveLobby()
	return s.server.strangers.forward(ctx, s.server.cancels, peers, s.meant(), s.client, request)
}

// meant is where a client without StartupMessage is led: by its listener, or by the
// name in its TLS; nil where neither says so.
func (s *session) meant() *served {
	if s.served != nil {
		return s.served
	}
	c, err := s.server.directory().choose(s.serverName(), startupMessage{})
	if err != nil {
		return nil
	}
	return c.route
}
