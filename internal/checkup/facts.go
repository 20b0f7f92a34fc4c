package checkup

import (
	"cmp"
	"strings"

	"github.com/pgkeyless/pgkeyless/auth"
	"github.com/pgkeyless/pgkeyless/internal/discover"
	"github.com/pgkeyless/pgkeyless/internal/policy"
)

// lookupCalls are what discover asks RDS about an identifier or ARN.
var lookupCalls = []string{
	"rds:DescribeDBInstances", "rds:DescribeDBClusters", "rds:DescribeDBClusterEndpoints",
	"rds:DescribeDBProxies", "rds:DescribeDBProxyEndpoints", "rds:DescribeGlobalClusters",
}

// Facts is what has been found out, for policy.
func (c *Checkup) Facts() policy.Facts {
	e, db := c.Login.Endpoint, c.Login.Database
	f := policy.Facts{
		Target: c.target.Name, Kind: policyKind(e.Kind, db.Kind),
		Partition: cmp.Or(e.Partition, "aws"), Region: e.Region,
		Account: cmp.Or(db.Account, c.Caller.Account), ResourceID: db.ResourceID,
		Host: e.Host, Port: e.Port, User: c.User, MasterUser: db.MasterUser, Express: db.Express,
		ViaAccount: c.Caller.Account,
	}
	if c.direct() == "" {
		f.Via = c.target.Via
	}
	if f.Kind == policy.DSQL {
		f.ResourceID, _, _ = strings.Cut(e.Host, ".")
	}
	if c.target.Ref != "" {
		f.Lookup = lookupCalls
	}
	return f
}

// policyKind goes by what RDS says, else by the endpoint's name.
func policyKind(named auth.Kind, found discover.Kind) policy.Kind {
	switch {
	case named == auth.KindDSQL:
		return policy.DSQL
	case found == discover.Proxy, found == 0 && named == auth.KindProxy:
		return policy.Proxy
	case found == discover.Cluster, found == discover.Global:
		return policy.Cluster
	}
	switch named {
	case auth.KindCluster, auth.KindClusterReader, auth.KindClusterCustom, auth.KindGlobal, auth.KindShardGroup:
		return policy.Cluster
	}
	return policy.Instance
}
