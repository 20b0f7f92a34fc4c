package rig

import (
	"testing"

	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/rdsproxy"
)

// PooledID is the resource id of the RDS Proxy that stands in front of the shared database.
const PooledID = "prx-0123456789abcdef0"

// StartRDSProxy starts a stand-in for RDS Proxy in front of the shared database, with
// change, nil for none, made to its configuration.
func StartRDSProxy(t *testing.T, change func(*rdsproxy.Config)) *rdsproxy.Server {
	t.Helper()
	p, err := lab.StartRDSProxy(Shared.Keys, Shared.Database, change)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// PooledTarget is the pgkeyless argument for p by the usual jump host, with further options
// as "name=value".
func PooledTarget(p *rdsproxy.Server, options ...string) string {
	arg := lab.PooledHost + "?via=" + lab.Target + "&ca-file=" + p.CAFile()
	for _, option := range options {
		arg += "&" + option
	}
	return arg
}

// Pooled is a world whose first target is p, and whose second one is the database behind it.
func Pooled(p *rdsproxy.Server, options ...string) Setup {
	return Setup{
		Args:     []string{PooledTarget(p, options...), lab.TargetArg(Shared.Database.CAFile())},
		Emulator: LeadTo(p),
	}
}

// LeadTo has the emulated jump host reach p.
func LeadTo(p *rdsproxy.Server) func(*awsemu.Config) {
	return func(c *awsemu.Config) { c.Hosts[lab.PooledHost+":5432"] = p.Address() }
}
