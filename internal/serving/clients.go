package serving

import (
	"crypto/tls"
	"log/slog"
	"net"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/access"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/targets"
	"github.com/pgkeyless/pgkeyless/proxy"
)

// clients is who may connect, and what proves it.
type clients struct {
	local *access.Rule                // for users of this machine
	admit func(net.Conn) error        // that rule, as far as clients prove nothing
	proof proxy.Proof                 // nil: they prove nothing
	may   *access.Grants              // what those may do that have proved who they are
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
	c.may = &access.Grants{Same: run.Auth == config.AuthCert, Listed: run.Auth == config.AuthKubernetes && run.Kubernetes.Accounts == "", Session: targets.RoleSession}
	c.admit = c.local.Admit
	if c.proof != nil { // which is for TCP
		c.admit = c.local.AdmitUnix
	}
	if err == nil && run.TLSCert != "" {
		c.shown, err = access.NewListenerCertificate(run.TLSCert, run.TLSKey)
	}
	return c, err
}

// kubernetes is for access. Without accounts it is for users to say who may connect.
func kubernetes(k config.Kubernetes) access.KubernetesConfig {
	accounts := []string{"*"}
	if k.Accounts != "" {
		accounts = strings.Split(k.Accounts, ",")
	}
	return access.KubernetesConfig{Audience: k.Audience, Accounts: accounts, Server: k.Server, TokenFile: k.TokenFile, CAFile: k.CAFile,
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

// entries are what users of the config file may do.
func entries(users []config.User) []access.Entry {
	all := make([]access.Entry, len(users))
	for i, u := range users {
		all[i] = access.Entry{Identity: u.Identity, DatabaseUsers: u.DatabaseUsers, Targets: u.Targets, Role: u.RoleARN,
			Settings: targets.Guards(config.Options{ReadOnly: u.ReadOnly})}
	}
	return all
}
