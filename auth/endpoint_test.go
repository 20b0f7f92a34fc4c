package auth

import (
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/database"
	"github.com/pgkeyless/pgkeyless/internal/partition"
)

func TestEndpointNamesTellKindRegionAndPartition(t *testing.T) {
	for _, tc := range []struct {
		in        string
		kind      Kind
		region    string
		partition string
	}{
		// Commercial.
		{"orders.c1a2b3c4d5e6.eu-west-1.rds.amazonaws.com", KindInstance, "eu-west-1", "aws"},
		{"orders-2.c1a2b3c4d5e6.ap-southeast-5.rds.amazonaws.com", KindInstance, "ap-southeast-5", "aws"},
		{"orders.cluster-c1a2b3.us-east-1.rds.amazonaws.com", KindCluster, "us-east-1", "aws"},
		{"orders.cluster-ro-c1a2b3.us-east-1.rds.amazonaws.com", KindClusterReader, "us-east-1", "aws"},
		{"bi.cluster-custom-c1a2b3.us-east-1.rds.amazonaws.com", KindClusterCustom, "us-east-1", "aws"},
		{"shards.shardgrp-c1a2b3.us-east-1.rds.amazonaws.com", KindShardGroup, "us-east-1", "aws"},
		{"orders.proxy-c1a2b3.ca-west-1.rds.amazonaws.com", KindProxy, "ca-west-1", "aws"},
		{"readers.endpoint.proxy-c1a2b3.us-west-2.rds.amazonaws.com", KindProxy, "us-west-2", "aws"},
		{"orders.global-c1a2b3.global.rds.amazonaws.com", KindGlobal, "", "aws"},
		{"orders.c1a2b3.us-east-1.rds-fips.amazonaws.com", KindInstance, "us-east-1", "aws"},
		{"orders.c1a2b3.us-east-2.rds-preview.amazonaws.com", KindInstance, "us-east-2", "aws"},
		// Blue/green hosts.
		{"orders-green-x1y2z3.c1a2b3.us-east-1.rds.amazonaws.com", KindInstance, "us-east-1", "aws"},
		{"orders-green-x1y2z3.cluster-c1a2b3.us-east-1.rds.amazonaws.com", KindCluster, "us-east-1", "aws"},
		{"orders-old1.c1a2b3.us-east-1.rds.amazonaws.com", KindInstance, "us-east-1", "aws"},
		// China, both orders.
		{"orders.c1a2b3.rds.cn-north-1.amazonaws.com.cn", KindInstance, "cn-north-1", "aws-cn"},
		{"orders.cluster-c1a2b3.rds.cn-northwest-1.amazonaws.com.cn", KindCluster, "cn-northwest-1", "aws-cn"},
		{"orders.cluster-ro-c1a2b3.rds.cn-northwest-1.amazonaws.com.cn", KindClusterReader, "cn-northwest-1", "aws-cn"},
		{"orders.endpoint.proxy-c1a2b3.rds.cn-north-1.amazonaws.com.cn", KindProxy, "cn-north-1", "aws-cn"},
		{"orders.cluster-custom-c1a2b3.cn-north-1.rds.amazonaws.com.cn", KindClusterCustom, "cn-north-1", "aws-cn"},
		{"orders.c1a2b3.cn-north-1.rds.amazonaws.com.cn", KindInstance, "cn-north-1", "aws-cn"},
		// GovCloud, both orders and FIPS.
		{"orders.c1a2b3.us-gov-west-1.rds.amazonaws.com", KindInstance, "us-gov-west-1", "aws-us-gov"},
		{"orders.cluster-c1a2b3.rds.us-gov-east-1.amazonaws.com", KindCluster, "us-gov-east-1", "aws-us-gov"},
		{"orders.c1a2b3.rds-fips.us-gov-west-1.amazonaws.com", KindInstance, "us-gov-west-1", "aws-us-gov"},
		{"orders.proxy-c1a2b3.us-gov-west-1.rds-fips.amazonaws.com", KindProxy, "us-gov-west-1", "aws-us-gov"},
		// Sovereign and isolated.
		{"orders.c1a2b3.eusc-de-east-1.rds.amazonaws.eu", KindInstance, "eusc-de-east-1", "aws-eusc"},
		{"orders.cluster-c1a2b3.rds.eusc-de-east-1.amazonaws.eu", KindCluster, "eusc-de-east-1", "aws-eusc"},
		{"orders.c1a2b3.ap-south-9.rds.amazonaws.au", KindInstance, "ap-south-9", ""},
		{"orders.c1a2b3.eu-west-9.rds.amazonaws.uk", KindInstance, "eu-west-9", ""},
		{"orders.c1a2b3.rds.us-iso-east-1.c2s.ic.gov", KindInstance, "us-iso-east-1", "aws-iso"},
		{"orders.c1a2b3.us-iso-east-1.rds.c2s.ic.gov", KindInstance, "us-iso-east-1", "aws-iso"},
		{"orders.cluster-c1a2b3.rds.us-isob-east-1.sc2s.sgov.gov", KindCluster, "us-isob-east-1", "aws-iso-b"},
		{"orders.shardgrp-c1a2b3.us-isob-east-1.rds.sc2s.sgov.gov", KindShardGroup, "us-isob-east-1", "aws-iso-b"},
		{"orders.c1a2b3.eu-isoe-west-1.rds.cloud.adc-e.uk", KindInstance, "eu-isoe-west-1", "aws-iso-e"},
		{"orders.c1a2b3.us-isof-south-1.rds.csp.hci.ic.gov", KindInstance, "us-isof-south-1", "aws-iso-f"},
		// Other services.
		{"abtkpcdmqncdwnx7z2tkqvbzmy.dsql.us-east-1.on.aws", KindDSQL, "us-east-1", "aws"},
		{"abtkpcdmqncdwnx7z2tkqvbzmy.dsql-fnh4.us-east-1.on.aws", KindDSQL, "us-east-1", "aws"},
		{"dw.c1a2b3.us-east-1.redshift.amazonaws.com", KindRedshift, "us-east-1", "aws"},
		{"dw.c1a2b3.cn-north-1.redshift.amazonaws.com.cn", KindRedshift, "cn-north-1", "aws-cn"},
		{"wg.123456789012.us-east-1.redshift-serverless.amazonaws.com", KindRedshift, "us-east-1", "aws"},
		// A form to come keeps its region, for the token.
		{"orders.newkind-c1a2b3.us-east-1.rds.amazonaws.com", KindOther, "us-east-1", "aws"},
		{"a.b.c.d.us-east-1.rds.amazonaws.com", KindOther, "us-east-1", "aws"},
		// Names that say nothing.
		{"orders.db.example.com", KindOther, "", ""},
		{"db_1.internal", KindOther, "", ""},
		{"localhost", KindOther, "", ""},
		{"10.0.0.7", KindOther, "", ""},
		{"rds.us-east-1.amazonaws.com", KindOther, "", ""},
		{"lb-1.elb.us-east-1.amazonaws.com", KindOther, "", ""},
		{"orders.c1a2b3.us-east-1.rds.amazonaws.com.evil.example", KindOther, "", ""},
		{"orders.c1a2b3.us-east-1.rds.notamazonaws.com", KindOther, "", ""},
		{"orders.c1a2b3.mars.rds.amazonaws.com", KindOther, "", ""},
		{"orders.c1a2b3.global.rds.amazonaws.com", KindOther, "", ""},
		{"amazonaws.com", KindOther, "", ""},
	} {
		got, err := ParseEndpoint(tc.in)
		if err != nil {
			t.Errorf("%s: %v", tc.in, err)
			continue
		}
		port := 5432
		if tc.kind == KindRedshift {
			port = 5439
		}
		want := Endpoint{Host: tc.in, Port: port, Region: tc.region, Partition: tc.partition, Kind: tc.kind}
		if got != want {
			t.Errorf("%s:\n got %+v\nwant %+v", tc.in, got, want)
		}
	}
}

func TestEndpointSpellings(t *testing.T) {
	const host = "orders.c1.eu-west-1.rds.amazonaws.com"
	for _, tc := range []struct{ in, host, address string }{
		{host, host, host + ":5432"},
		{host + ":6543", host, host + ":6543"},
		{host + ".", host, host + ":5432"},
		{host + ".:6543", host, host + ":6543"},
		{"Orders.C1.EU-West-1.RDS.AmazonAWS.com:5432", host, host + ":5432"},
		{host + ":00001", host, host + ":1"},
		{host + ":65535", host, host + ":65535"},
		{"127.0.0.1:5433", "127.0.0.1", "127.0.0.1:5433"},
		{"::1", "::1", "[::1]:5432"},
		{"[::1]", "::1", "[::1]:5432"},
		{"[2001:DB8::0001]:5433", "2001:db8::1", "[2001:db8::1]:5433"},
	} {
		got, err := ParseEndpoint(tc.in)
		if err != nil {
			t.Errorf("%q: %v", tc.in, err)
			continue
		}
		if got.Host != tc.host || got.Address() != tc.address {
			t.Errorf("%q: got host %q, address %q; want %q, %q", tc.in, got.Host, got.Address(), tc.host, tc.address)
		}
	}
}

func TestEndpointErrorsSayWhatIsWrong(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"", "empty"},
		{"  ", "empty"},
		{":5432", "no host"},
		{".", "no host"},
		{"host:", "no port"},
		{"host:0", "not a number from 1 to 65535"},
		{"host:65536", "not a number from 1 to 65535"},
		{"host:-1", "not a number from 1 to 65535"},
		{"host:+5432", "not a number from 1 to 65535"},
		{"host:5432x", "not a number from 1 to 65535"},
		{"host:psql", "not a number from 1 to 65535"},
		{"host:5432:1", "more than one colon"},
		{"[host]:5432", "IPv6"},
		{"[::1", "IPv6"},
		{"[::1]5432", "not a port"},
		{"[127.0.0.1]:5432", "IPv6"},
		{"fe80::1%eth0", "zone"},
		{"a..b", "two dots"},
		{".a", "two dots"},
		{"-a.b", "hyphen"},
		{"a-.b", "hyphen"},
		{"orders!.c1.us-east-1.rds.amazonaws.com", "no '!'"},
		{"orders c1", "no ' '"},
		{"ordérs.example.com", "no 'é'"},
		{"orders\n.example.com", `no '\n'`},
		{"*.rds.amazonaws.com", "no '*'"},
		{"orders/app", "no '/'"},
		{"5432", "neither"},
		{"10.0.0", "neither"},
		{"10.0.0.256", "neither"},
		{strings.Repeat("a", 64) + ".com", "longer than 63"},
		{strings.Repeat("a.", 127) + "com", "longer than 253"},
		{"postgres://u:hunter2@host/db", "is a URL"},
		{"u:hunter2@host", "has a user"},
		{"host=db password=hunter2", "connection string"},
		{"arn:aws:rds:us-east-1:123456789012:db:orders", "is an ARN"},
	} {
		got, err := ParseEndpoint(tc.in)
		if !causes.Misused(err) {
			t.Errorf("%q: got %+v, error %v; want a Misuse", tc.in, got, err)
			continue
		}
		if !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: error %q; want one with %q and no password", tc.in, err, tc.want)
		}
		if !strings.Contains(causes.Hint(err), "host[:port]") {
			t.Errorf("%q: hint %q", tc.in, causes.Hint(err))
		}
	}
}

func TestRegionOfGlobalEndpointIsGiven(t *testing.T) {
	e, err := ParseEndpoint("orders.global-c1.global.rds.amazonaws.com")
	if err != nil {
		t.Fatal(err)
	}
	if got := e.InRegion("us-gov-west-1"); got.Region != "us-gov-west-1" || got.Partition != "aws-us-gov" {
		t.Errorf("in us-gov-west-1: %+v", got)
	}
	if got := e.InRegion(""); got != e {
		t.Errorf("in no region: %+v; want it unchanged", got)
	}
	cname, err := ParseEndpoint("db.example.com")
	if err != nil {
		t.Fatal(err)
	}
	if got := cname.InRegion("eu-west-1"); got.Region != "eu-west-1" || got.Partition != "aws" {
		t.Errorf("CNAME in eu-west-1: %+v", got)
	}
}

func TestEveryKindHasAName(t *testing.T) {
	seen := make(map[string]Kind)
	for k := KindOther; k <= KindRedshift; k++ {
		if other, ok := seen[k.String()]; ok || strings.HasPrefix(k.String(), "kind ") {
			t.Errorf("kind %d is called %q, as kind %d", k, k, other)
		}
		seen[k.String()] = k
	}
	if got := Kind(99).String(); got != "kind 99" {
		t.Errorf("Kind(99) = %q", got)
	}
}

func FuzzParseEndpoint(f *testing.F) {
	for _, seed := range []string{
		"orders.cluster-ro-c1.eu-west-1.rds.amazonaws.com:5432", "[::1]:5432", "::1", "host:", "a..b", "",
		"x.dsql.us-east-1.on.aws", "o.c1.rds.cn-north-1.amazonaws.com.cn.", "u@h", "1.2.3.4", "ſ.com", "o.global-c1.global.rds.amazonaws.com",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		e, err := ParseEndpoint(in)
		if err != nil {
			if !causes.Misused(err) || e != (Endpoint{}) {
				t.Fatalf("%q: error %T with %+v", in, err, e)
			}
			return
		}
		if e.Port < 1 || e.Port > 65535 || e.Host == "" || e.Host != strings.ToLower(e.Host) {
			t.Fatalf("%q: %+v", in, e)
		}
		if e.Region != "" && !partition.IsRegion(e.Region) {
			t.Fatalf("%q: region %q", in, e.Region)
		}
		if e.Kind != KindOther && e.Kind != KindGlobal && e.Region == "" {
			t.Fatalf("%q: %v without a region", in, e.Kind)
		}
		again, err := ParseEndpoint(e.Address())
		if err != nil || again != e {
			t.Fatalf("%q: %+v, but its address gives %+v, %v", in, e, again, err)
		}
	})
}

func TestCustomNames(t *testing.T) {
	for name, want := range map[string]bool{
		"orders.corp.example":                                            true,
		"orders.amazonaws.com.example":                                   true,
		"orders.c9akciq32abc.eu-central-1.rds.amazonaws.com":             false,
		"orders.form-of-tomorrow.eu-central-1.rds.amazonaws.com":         false,
		"orders.of-tomorrow-c9akciq32abc.eu-central-1.rds.amazonaws.com": false,
		"abc.dsql.eu-west-1.on.aws":                                      false,
		"10.0.0.1":                                                       false,
		"fd00::1":                                                        false,
	} {
		e, err := ParseEndpoint(name)
		if err != nil || e.Custom() != want {
			t.Errorf("%s: %v, %v; want %v", name, e.Custom(), err, want)
		}
	}
}

func TestPrivateLink(t *testing.T) {
	for name, want := range map[string]bool{
		"abc.dsql-fnh4.eu-west-1.on.aws": true, "abc.DSQL-fnh4.eu-west-1.on.aws:5432": true, "abc.dsql.eu-west-1.on.aws": false,
		"orders.dsql-c1.eu-west-1.rds.amazonaws.com": false, "orders.dsql-x.example.com": false,
	} {
		if e, err := ParseEndpoint(name); err != nil || e.PrivateLink() != want {
			t.Errorf("%s: %v, %v; want %v", name, e.PrivateLink(), err, want)
		}
	}
}

func TestKindOfEndpointTellsTheDatabase(t *testing.T) {
	for name, want := range map[string]database.Kind{
		"o.c1.eu-west-1.rds.amazonaws.com":                database.Instance,
		"o.cluster-c1.eu-west-1.rds.amazonaws.com":        database.Cluster,
		"o.cluster-ro-c1.eu-west-1.rds.amazonaws.com":     database.Cluster,
		"o.cluster-custom-c1.eu-west-1.rds.amazonaws.com": database.Cluster,
		"o.shardgrp-c1.eu-west-1.rds.amazonaws.com":       database.Cluster,
		"o.proxy-c1.eu-west-1.rds.amazonaws.com":          database.Proxy,
		"r.endpoint.proxy-c1.eu-west-1.rds.amazonaws.com": database.Proxy,
		"o.global-c1.global.rds.amazonaws.com":            database.Global,
		"abc.dsql.eu-west-1.on.aws":                       database.DSQL,
		"dw.c1.us-east-1.redshift.amazonaws.com":          0,
		"db.example.com":                                  0,
	} {
		if e, err := ParseEndpoint(name); err != nil || e.Kind.Database() != want {
			t.Errorf("%s: %v, %v; want %v", name, e.Kind.Database(), err, want)
		}
	}
}
