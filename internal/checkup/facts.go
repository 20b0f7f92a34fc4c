package checkup

import (
	"cmp"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/database"
	"github.com/pgkeyless/pgkeyless/internal/partition"
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
		Target: c.target.Name, Kind: c.kind(),
		Partition: cmp.Or(e.Partition, partition.Commercial), Region: e.Region,
		Account: cmp.Or(db.Account, c.Caller.Account), ResourceID: db.ResourceID,
		Host: e.Host, Port: e.Port, User: c.User, MasterUser: db.MasterUser,
		ViaAccount: c.Caller.Account,
	}
	if c.direct() == "" {
		f.Via = c.target.Via
	}
	if f.Kind == database.DSQL {
		f.ResourceID, _, _ = strings.Cut(e.Host, ".")
	}
	if c.target.Ref != "" {
		f.Lookup = lookupCalls
	}
	return f
}

// kind goes by what RDS says, else by the endpoint's name.
func (c *Checkup) kind() database.Kind {
	return cmp.Or(c.Login.Database.Kind, c.Login.Endpoint.Kind.Database())
}
