package serving

import (
	"crypto/tls"
	"log/slog"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/localca"
)

// certificates are what clients that ask for TLS are shown, and caFile is the CA by
// which they can verify it. Without a CA choose is nil and caFile empty; the log has
// the reason, and clients that verify nothing connect as before.
func certificates(log *slog.Logger) (choose func(*tls.ClientHelloInfo) (*tls.Certificate, error), caFile string) {
	dir, err := localca.Dir()
	var leaves *localca.Leaves
	if err == nil {
		leaves, err = localca.NewLeaves(dir, time.Now())
	}
	if err != nil {
		log.Warn("clients cannot verify the certificate shown to them: this user has no CA, so pgkeyless made one in memory",
			"reason", display.Line(err.Error()), "hint", "let pgkeyless keep files in "+dirOr(dir)+", or set XDG_STATE_HOME to another directory")
		return nil, ""
	}
	return leaves.Certificate, localca.File(dir)
}

func dirOr(dir string) string {
	if dir == "" {
		return "your home directory"
	}
	return dir
}
