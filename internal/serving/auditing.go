package serving

import (
	"log/slog"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/admin"
	"github.com/pgkeyless/pgkeyless/internal/audit"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/proxy"
)

// auditing is the audit log of a run, if there is one.
type auditing struct {
	log   *audit.Log
	write func(proxy.AuditEvent) error // nil without a log
}

func openAudit(run config.Run, who *admin.Admin) (auditing, error) {
	if run.AuditLog == "" {
		return auditing{}, nil
	}
	log, err := audit.Open(audit.Config{Path: run.AuditLog, AWS: who.Identity, Proof: func(s proxy.SessionSnapshot) string { return proofOf(run, s) }})
	if err != nil {
		return auditing{}, err
	}
	return auditing{log, log.Write}, nil
}

// proofOf says what has proved who a client is.
func proofOf(run config.Run, s proxy.SessionSnapshot) string {
	switch {
	case strings.HasPrefix(s.Client, "/"), strings.HasPrefix(s.Client, "@"):
		return "unix-socket"
	case s.Proven:
		return run.Auth
	case run.Auth != config.AuthNone: // it has not come so far, or sends a cancel request
		return "none"
	case s.Peer != "" && s.Via == "": // behind a balancer it is the balancer's user
		return "user"
	}
	return "none"
}

func (a auditing) close() {
	if a.log != nil {
		a.log.Close()
	}
}

// reopen goes on with the file that has the name now.
func (a auditing) reopen(log *slog.Logger) {
	if a.log == nil {
		return
	}
	if err := a.log.Reopen(); err != nil {
		log.Error("the audit log continues in its previous file", "error", display.Line(err.Error()))
	}
}
