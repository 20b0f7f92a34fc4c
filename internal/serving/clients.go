package serving

import (
	"crypto/tls"
	"log/slog"
	"net"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/access"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/proxy"
)

// clients is who may connect, and what proves it.
type clients struct {
	local *access.Rule                // for users of this machine
	admit func(net.Conn) error        // that rule, as far as clients prove nothing
	proof proxy.Proof                 // nil: they prove nothing
	shown *access.ListenerCertificate // nil: one of the user's own CA
	// passwords keeps the local password; nil where clients need none.
	passwords *localPassword
}

func newClients(run config.Run, environ []string, log *slog.Logger) (c clients, err error) {
	if c.local, err = localRule(run, log); err != nil {
		return c, err
	}
	switch run.Auth {
	case config.AuthSCRAM:
		c.proof, err = access.NewPasswords(run.AuthFile, log)
	case config.AuthCert:
		c.proof, err = access.NewCertificates(run.ClientCAFile, run.ClientCRLFile, log)
	case config.AuthKubernetes:
		c.proof, err = access.NewKubernetes(kubernetes(run.Kubernetes), log)
	case config.AuthLocal:
		if c.passwords, err = newLocalPassword(environ, log); err == nil {
			c.proof, err = access.NewLocalPassword(c.passwords.path, log)
		}
	}
	c.admit = c.local.Admit
	if c.proof != nil { // which is for TCP
		c.admit = c.local.AdmitUnix
	}
	if err == nil && run.TLSCert != "" {
		c.shown, err = access.NewListenerCertificate(run.TLSCert, run.TLSKey)
	}
	return c, err
}

func kubernetes(k config.Kubernetes) access.KubernetesConfig {
	return access.KubernetesConfig{Audience: k.Audience, Accounts: strings.Split(k.Accounts, ","), Server: k.Server, TokenFile: k.TokenFile, CAFile: k.CAFile,
		Issuer: k.Issuer, JWKSFile: k.JWKSFile}
}

// certificates are as those of the user's own CA, or the listener's own; clients know by
// themselves how to verify that, so that caFile is empty.
func (c clients) certificates(log *slog.Logger) (choose func(*tls.ClientHelloInfo) (*tls.Certificate, error), caFile string) {
	if c.shown != nil {
		return c.shown.Certificate, ""
	}
	return certificates(log)
}

// localRule is the rule for clients on loopback. Where the system cannot tell whose
// they are, the log says so, and everybody is let in.
func localRule(run config.Run, log *slog.Logger) (*access.Rule, error) {
	var names []string
	if run.AllowUsers != "" {
		names = strings.Split(run.AllowUsers, ",")
	}
	rule, err := access.NewRule(names)
	if err != nil {
		return nil, err
	}
	if err := rule.Check(); err != nil {
		log.Warn("every user of this machine can connect over TCP", "reason", display.Line(err.Error()),
			"hint", "use the Unix socket; on a machine that you share, have clients prove who they are with --local-password or --auth")
		return access.NewRule([]string{access.Anyone})
	}
	return rule, nil
}
