package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgkeyless/pgkeyless/integration/bench/kit"
	"github.com/pgkeyless/pgkeyless/integration/conformance/pluginrun"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

// The sides' names.
const (
	ours   = "pgkeyless"
	plugin = "plugin"
	direct = "direct" // no tunnel, in a few cells
)

// side is one running process and how to connect through it.
type side struct {
	name   string
	pid    int // zero where it cannot be found
	config *pgconn.Config
	end    func(context.Context) error
}

// startSide starts a fresh process for a cell.
func (b *bench) startSide(name string, c cell) (*side, error) {
	switch name {
	case plugin:
		return b.startPlugin()
	case direct:
		config, err := b.clientConfig(b.database.Address())
		return &side{name: direct, config: config, end: func(context.Context) error { return nil }}, err
	}
	return b.startOurs(c)
}

// startOurs runs pgkeyless as a user does; the client does nothing but connect.
func (b *bench) startOurs(c cell) (*side, error) {
	options := slices.Clone(c.options)
	if c.sessions > 0 {
		options = append(options, fmt.Sprintf("sessions=%d", c.sessions))
	}
	p, err := lab.StartProxy(b.ctx, lab.Command{
		Binary: b.binary,
		Args:   []string{"serve", lab.TargetArg(b.database.CAFile(), options...), "--port", "0", "--unix-socket", "none"},
		Env:    append(b.keys.Env(b.aws.URL()), "HOME="+b.dir),
	})
	if err != nil {
		return nil, err
	}
	config, err := kit.ClientConfig(p.Addresses()[0], "sslmode=disable")
	if err != nil {
		p.Kill()
		return nil, err
	}
	return &side{name: ours, pid: kit.ChildOf(b.binary), config: config, end: func(ctx context.Context) error {
		return kit.Stop(ctx, p)
	}}, nil
}

// startPlugin runs the plugin; the client does by hand what pgkeyless does for
// its users: it verifies the certificate and sends a token.
func (b *bench) startPlugin() (*side, error) {
	p, err := pluginrun.Start(b.ctx, pluginrun.Config{
		Binary: b.plugin, Endpoint: b.aws.URL(), Region: lab.Region, Target: lab.Target, Host: lab.Host, Port: 5432,
		AccessKeyID: b.keys.AccessKeyID, SecretAccessKey: b.keys.SecretAccessKey, SessionToken: b.keys.SessionToken,
	})
	if err != nil {
		return nil, err
	}
	kill := func(context.Context) error { // it is not asked: with streams open it takes its time
		_ = p.Stop(context.Background(), os.Kill)
		b.aws.TerminateSession(p.SessionID, "")
		return nil
	}
	config, err := b.clientConfig(p.Address)
	if err != nil {
		_ = kill(b.ctx)
		return nil, err
	}
	return &side{name: plugin, pid: kit.ChildOf(b.plugin), config: config, end: kill}, nil
}

// clientConfig is for a client that verifies the database's certificate at address and
// has a token.
func (b *bench) clientConfig(address string) (*pgconn.Config, error) {
	config, err := kit.ClientConfig(address, "sslmode=verify-full sslrootcert="+b.database.CAFile())
	if err == nil {
		config.Password, err = kit.Token(b.ctx, b.binary, b.dir, b.keys.Env(b.aws.URL()))
	}
	return config, err
}

// connect returns at the first ReadyForQuery.
func (s *side) connect(ctx context.Context) (*pgconn.PgConn, error) {
	return pgconn.ConnectConfig(ctx, s.config)
}

// stop ends the process and waits for it.
func (s *side) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return s.end(ctx)
}

// cpu is the CPU time the process has used; false where it is not known.
func (s *side) cpu() (time.Duration, bool) {
	t, err := kit.ProcessCPU(s.pid)
	return t, err == nil
}
