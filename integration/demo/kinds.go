package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// kind is a kind of AWS PostgreSQL that the demo shows.
type kind struct {
	target string   // what the config file calls the database
	host   string   // its endpoint
	via    string   // the jump host; "" where the endpoint is public
	id     string   // the resource id that policies name
	arn    string   // what the target means; "" where its name is an identifier of RDS
	says   string   // what is special, for the guide
	plain  string   // what a login as pgserver.PlainUser shows; "" for a refusal
	doctor []string // what doctor must say of it
	status []string // what status must

	// describe is what RDS knows, of a server with this version.
	describe func(k kind, version string) awsemu.Databases
	// behind is the endpoint of the database behind front; "" where that is host.
	behind string
	// front starts what stands between pgkeyless and PostgreSQL, and returns its address
	// and how it ends; nil: nothing does. It may set what clients trust.
	front func(ctx context.Context, d *demo, keys lab.Credentials) (address string, end func() error, err error)
	// instead shows a kind that has none of the usual parts, or checks it; nil: demo.run
	// does.
	instead func(ctx context.Context, d demo, check bool) error
}

// usualKind is shown without --kind.
const usualKind = "instance"

// kinds are those that --kind takes.
var kinds = map[string]kind{
	usualKind: {
		target: "orders", host: lab.Host, via: lab.Target, id: "db-DEMODEMODEMODEMODEMODEMODE",
		doctor: []string{lab.Target + " is online"},
		status: []string{"up ", "ready"},
		describe: func(k kind, version string) awsemu.Databases {
			return awsemu.Databases{Instances: []awsemu.DBInstance{{Identifier: k.target, ResourceID: k.id, Host: k.host, EngineVersion: version}}}
		},
	},
	"express": {
		target: "hobby", host: "hobby.cluster-c9akciq32abc." + lab.Region + ".rds.amazonaws.com", id: "cluster-DEMODEMODEMODEMODEMODEMO",
		says: `It stands for an Aurora express cluster: public, in no VPC, with no login but IAM's, and paused after 300 s without a
connection. No jump host is named, and no SSM session starts. The config file has "dial" only because the name of the
endpoint leads nowhere on this machine.`,
		doctor: []string{"pauses after 300 s"},
		status: []string{"hobby", "idle"},
		describe: func(k kind, _ string) awsemu.Databases {
			return awsemu.Databases{Clusters: []awsemu.DBCluster{{Identifier: k.target, ResourceID: k.id, Host: k.host, Express: true, NoIAM: true, PausesAfter: 300}}}
		},
	},
	"proxy": {
		target: "pooled", host: lab.PooledHost, via: lab.Target, id: "prx-DEMODEMODEMODEMOD", behind: lab.Host,
		says: `It is behind a stand-in for RDS Proxy, which refuses most start-up parameters and gives no cancel keys. pgkeyless sets
the parameters after the login. Try PGOPTIONS='-c search_path=pg_catalog' with psql, and Ctrl-C in a long query: the log says
why that does nothing.`,
		plain:  "a login by the proxy's secret",
		doctor: []string{lab.Target + " is online", "DefaultAuthScheme IAM_AUTH", "targets: orders available"},
		status: []string{"up ", "ready"},
		describe: func(k kind, version string) awsemu.Databases {
			return awsemu.Databases{
				Instances: []awsemu.DBInstance{{Identifier: "orders", ResourceID: "db-DEMODEMODEMODEMODEMODEMODE", Host: k.behind, EngineVersion: version}},
				Proxies:   []awsemu.DBProxy{{Name: k.target, ResourceID: k.id, Host: k.host, EndToEnd: true, Targets: []awsemu.DBProxyTarget{{Instance: "orders", Host: k.behind}}}},
			}
		},
		front: func(_ context.Context, d *demo, keys lab.Credentials) (string, func() error, error) {
			p, err := lab.StartRDSProxy(keys, d.database, nil)
			if err != nil {
				return "", nil, err
			}
			d.caFile = p.CAFile()
			return p.Address(), p.Close, nil
		},
	},
	"dsql": {target: "orders", host: lab.DSQLHost, id: lab.DSQLID, arn: lab.DSQLARN, instead: runDSQL},
}

// kindNames are the values of --kind.
func kindNames() string {
	var names []string
	for name := range kinds {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// options are the target's, as "name=value".
func (d *demo) options() []string {
	way := "via=" + d.kind.via
	if d.kind.via == "" {
		way = "dial=" + d.behind
	}
	means := "dbname=" + pgserver.Database
	if d.kind.arn != "" { // of DSQL, which has one database
		means = "database=" + d.kind.arn
	}
	return []string{way, means, "ca-file=" + d.caFile}
}

// targetArg is the target with its options, for a command that does not read the config
// file.
func (d *demo) targetArg(more ...string) string {
	return d.kind.target + "?" + strings.Join(append(d.options(), more...), "&")
}

// targetSection is the target in the config file.
func (d *demo) targetSection() string {
	text := fmt.Sprintf("targets:\n  %s:\n", d.kind.target)
	for _, option := range d.options() {
		name, value, _ := strings.Cut(option, "=")
		text += fmt.Sprintf("    %s: %s\n", name, value)
	}
	return text
}

// reaches says which way the demo's pgkeyless takes.
func (d *demo) reaches() string {
	if d.kind.via == "" {
		return "directly"
	}
	return "through the emulated jump host " + d.kind.via
}
