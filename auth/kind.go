package auth

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/database"
	"github.com/pgkeyless/pgkeyless/internal/partition"
)

// Kind is what an endpoint's name says about it. The zero value is KindOther. It
// tells endpoints apart that lead to one kind of database, which is Database.
type Kind int

const (
	KindOther         Kind = iota // not a name of a known form: a CNAME, an address
	KindInstance                  // one RDS or Aurora instance
	KindCluster                   // a cluster's writer
	KindClusterReader             // a cluster's readers
	KindClusterCustom             // a custom endpoint of a cluster
	KindShardGroup                // Aurora Limitless
	KindGlobal                    // the writer of a global database; the name holds no region
	KindProxy                     // RDS Proxy
	KindDSQL                      // Aurora DSQL
	KindRedshift                  // Redshift, provisioned or serverless
)

var kindNames = [...]string{
	"other", "instance", "cluster", "cluster reader", "cluster custom endpoint",
	"shard group", "global", "RDS Proxy", "DSQL", "Redshift",
}

// String returns a word for people: "instance", "RDS Proxy".
func (k Kind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return "kind " + strconv.Itoa(int(k))
	}
	return kindNames[k]
}

// Database is the kind of the database that such an endpoint leads to, and zero
// where the name does not say.
func (k Kind) Database() database.Kind {
	switch k {
	case KindInstance:
		return database.Instance
	case KindCluster, KindClusterReader, KindClusterCustom, KindShardGroup:
		return database.Cluster
	case KindGlobal:
		return database.Global
	case KindProxy:
		return database.Proxy
	case KindDSQL:
		return database.DSQL
	}
	return 0
}

// usesRDSRoots says whether servers of this kind hold certificates of the RDS
// authorities, and of no other.
func (k Kind) usesRDSRoots() bool {
	switch k {
	case KindInstance, KindCluster, KindClusterReader, KindClusterCustom, KindShardGroup, KindGlobal:
		return true
	}
	return false
}

// classify tells kind, region and partition from a clean host name.
func classify(host string) Endpoint {
	other := Endpoint{Host: host}
	labels, name, ok := partition.CutDomain(host)
	if !ok {
		return other
	}
	service, region, rest := splitService(strings.Split(labels, "."))
	kind := kindOf(service, rest, region)
	if region == "global" {
		region = ""
	}
	if service == "" || region == "" && kind != KindGlobal {
		return other
	}
	e := Endpoint{Host: host, Region: region, Partition: name, Kind: kind}
	if name == partition.Commercial && region != "" {
		e.Partition = partition.Of(region)
	}
	return e
}

// Described says whether RDS knows databases by such a name.
func (e Endpoint) Described() bool {
	switch e.Kind {
	case KindOther, KindShardGroup, KindDSQL, KindRedshift:
		return false
	}
	return true
}

// PrivateLink reports whether the name is one that only clients in a VPC reach: of an
// interface endpoint for a DSQL cluster.
//
// Source: Aurora DSQL user guide, privatelink-managing-clusters.html.
func (e Endpoint) PrivateLink() bool {
	_, rest, _ := strings.Cut(e.Host, ".")
	return e.Kind == KindDSQL && strings.HasPrefix(rest, "dsql-")
}

// Custom reports whether AWS does not give out such names: a CNAME of an endpoint,
// for example, which can be neither signed for nor verified. It is false for an
// address.
func (e Endpoint) Custom() bool {
	if _, err := netip.ParseAddr(e.Host); err == nil || e.Kind != KindOther {
		return false
	}
	_, _, amazon := partition.CutDomain(e.Host)
	return !amazon
}

// splitService parts the labels before the partition's suffix into service,
// region and the rest. Commercial names have the region before the service;
// China, GovCloud and the isolated partitions have both orders.
func splitService(labels []string) (service, region string, name []string) {
	n := len(labels)
	if n < 3 {
		return "", "", nil
	}
	last, before := labels[n-1], labels[n-2]
	switch {
	case isService(last) && isRegion(before):
		return last, before, labels[:n-2]
	case isService(before) && isRegion(last):
		return before, last, labels[:n-2]
	}
	return "", "", nil
}

func isRegion(label string) bool { return label == "global" || partition.IsRegion(label) }

// isService knows the services with databases that speak PostgreSQL. rds-preview
// is the preview environment; dsql-… names a PrivateLink cell of DSQL.
func isService(label string) bool {
	switch label {
	case "rds", "rds-fips", "rds-preview", "redshift", "redshift-fips", "redshift-serverless", "dsql":
		return true
	}
	return strings.HasPrefix(label, "dsql-")
}

// rdsPrefixes mark the label before the region, the longer before its own
// beginning.
//
// Source: AWS JDBC wrapper, util/RdsUtils.java.
var rdsPrefixes = []struct {
	prefix string
	kind   Kind
}{
	{"cluster-ro-", KindClusterReader},
	{"cluster-custom-", KindClusterCustom},
	{"cluster-", KindCluster},
	{"shardgrp-", KindShardGroup},
	{"proxy-", KindProxy},
}

// kindOf tells the kind from the labels before service and region.
func kindOf(service string, name []string, region string) Kind {
	switch {
	case service == "":
		return KindOther
	case strings.HasPrefix(service, "dsql"):
		if len(name) == 1 && region != "global" {
			return KindDSQL
		}
		return KindOther
	case strings.HasPrefix(service, "redshift"):
		if len(name) == 2 && region != "global" {
			return KindRedshift
		}
		return KindOther
	}
	if len(name) == 3 && name[1] == "endpoint" && strings.HasPrefix(name[2], "proxy-") && region != "global" {
		return KindProxy
	}
	if len(name) != 2 {
		return KindOther
	}
	if region == "global" {
		if strings.HasPrefix(name[1], "global-") {
			return KindGlobal
		}
		return KindOther
	}
	for _, p := range rdsPrefixes {
		if strings.HasPrefix(name[1], p.prefix) {
			return p.kind
		}
	}
	if strings.ContainsAny(name[1], "-_") {
		return KindOther // a prefix of a kind that is not known yet
	}
	return KindInstance
}
