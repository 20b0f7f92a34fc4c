package rig

import (
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

// What the emulated account holds beside lab.Host, which is the instance orders.
const (
	Domain        = "c9akciq32abc.eu-central-1.rds.amazonaws.com"
	LedgerWriter  = "ledger.cluster-" + Domain
	LedgerReader  = "ledger.cluster-ro-" + Domain
	LedgerReports = "reports.cluster-custom-" + Domain
	LedgerMember  = "ledger-1." + Domain
	PooledHost    = lab.PooledHost
	PooledReader  = "pooled-ro.endpoint.proxy-" + Domain
	WorldHost     = "world.global-c9akciq32abc.global.rds.amazonaws.com"
	AccountARN    = "arn:aws:rds:" + lab.Region + ":" + lab.Account + ":"
)

// Account is an account with a database of each kind.
func Account() awsemu.Databases {
	return awsemu.Databases{
		PageSize: 2,
		Instances: []awsemu.DBInstance{
			{Identifier: "orders", ResourceID: "db-ORDERS", Host: lab.Host},
			{Identifier: "ledger-1", ResourceID: "db-LEDGER1", Host: LedgerMember, Engine: "aurora-postgresql", Cluster: "ledger"},
			{Identifier: "shop", ResourceID: "db-SHOP", Host: "shop." + Domain, Engine: "mysql", Port: 3306},
			{Identifier: "noiam", ResourceID: "db-NOIAM", Host: "noiam." + Domain, NoIAM: true},
			{Identifier: "asleep", ResourceID: "db-ASLEEP", Host: "asleep." + Domain, Status: "stopped"},
		},
		Clusters: []awsemu.DBCluster{{
			Identifier: "ledger", ResourceID: "cluster-LEDGER", Host: LedgerWriter, ReaderHost: LedgerReader,
			Members: []string{"ledger-1"}, Custom: map[string]string{"reports": LedgerReports},
		}},
		Proxies: []awsemu.DBProxy{{Name: "pooled", ResourceID: "prx-0123", Host: PooledHost, ReadOnly: map[string]string{"pooled-ro": PooledReader}}},
		Globals: []awsemu.GlobalCluster{{Identifier: "world", Host: WorldHost, Writer: AccountARN + "cluster:ledger"}},
	}
}

// InRegion sets the region that an identifier does not name.
func InRegion(env []string) []string { return append(env, "AWS_REGION="+lab.Region) }
