// Package database knows which kinds of databases there are at AWS.
package database

import "strconv"

// Kind is what a database is to AWS, whichever of its endpoints is meant. The zero
// value is no kind. What an endpoint's name says beyond that, such as that it leads
// to the readers of a cluster, is auth.Kind.
type Kind int

const (
	Instance Kind = iota + 1 // a DB instance, in a cluster or not
	Cluster                  // an Aurora or Multi-AZ DB cluster, by any of its endpoints
	Proxy                    // an RDS Proxy, by any of its endpoints
	Global                   // an Aurora global database, by its writer
	DSQL                     // an Aurora DSQL cluster
)

var names = [...]string{"", "instance", "cluster", "proxy", "global cluster", "DSQL cluster"}

// String is the kind's name for people and in JSON: "instance", "global cluster".
func (k Kind) String() string {
	if k < 0 || int(k) >= len(names) {
		return "kind " + strconv.Itoa(int(k))
	}
	return names[k]
}

// MarshalText is String.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// IAMByRole reports whether databases of this kind let in by token those who are in
// the role rds_iam. An RDS Proxy logs in by itself, and DSQL maps identities to
// roles.
func (k Kind) IAMByRole() bool { return k != Proxy && k != DSQL }
