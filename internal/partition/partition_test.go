package partition

import (
	"slices"
	"strings"
	"testing"
)

func TestRegionTellsThePartition(t *testing.T) {
	for region, want := range map[string]string{
		"eu-central-1": "aws", "us-east-1": "aws", "us-gov-west-1": "aws-us-gov", "cn-north-1": "aws-cn",
		"eusc-de-east-1": "aws-eusc", "us-iso-east-1": "aws-iso", "us-isob-east-1": "aws-iso-b",
		"eu-isoe-west-1": "aws-iso-e", "us-isof-south-1": "aws-iso-f", "": "aws", "us-government-1": "aws",
	} {
		if got := Of(region); got != want {
			t.Errorf("Of(%q) = %q, want %q", region, got, want)
		}
	}
}

func TestDomainTellsThePartition(t *testing.T) {
	for host, want := range map[string][2]string{
		"db.c1.eu-west-1.rds.amazonaws.com":      {"db.c1.eu-west-1.rds", "aws"},
		"db.c1.rds.cn-north-1.amazonaws.com.cn":  {"db.c1.rds.cn-north-1", "aws-cn"},
		"db.c1.eusc-de-east-1.rds.amazonaws.eu":  {"db.c1.eusc-de-east-1.rds", "aws-eusc"},
		"db.c1.us-isob-east-1.rds.sc2s.sgov.gov": {"db.c1.us-isob-east-1.rds", "aws-iso-b"},
		"db.c1.xx-south-1.rds.amazonaws.au":      {"db.c1.xx-south-1.rds", ""},
		"x.dsql.us-east-1.on.aws":                {"x.dsql.us-east-1", "aws"},
	} {
		labels, name, found := CutDomain(host)
		if !found || labels != want[0] || name != want[1] {
			t.Errorf("%s: %q of %q, %v; want %q", host, labels, name, found, want)
		}
	}
	for _, host := range []string{"", "db.example.com", "amazonaws.com", "orders.amazonaws.com.example", "notamazonaws.com", "x.api.aws"} {
		if labels, _, found := CutDomain(host); found || labels != host {
			t.Errorf("%q is taken for a name of AWS's: %q", host, labels)
		}
	}
}

func TestNamesThatAreMade(t *testing.T) {
	for region, want := range map[string]string{"eu-west-1": "api.aws", "us-gov-west-1": "api.aws", "cn-north-1": "api.amazonwebservices.com.cn", "eusc-de-east-1": "api.amazonwebservices.eu"} {
		if got := DualStackDomain(region); got != want {
			t.Errorf("%s: %s, want %s", region, got, want)
		}
	}
	if got := DSQLHost("abc", "eu-west-1"); got != "abc.dsql.eu-west-1.on.aws" {
		t.Errorf("DSQL's host is %s", got)
	}
}

// A domain of another's would be sent signatures.
func TestDomainsAreEachPartitionsTwo(t *testing.T) {
	want := []string{
		"amazonaws.com", "api.aws", "amazonaws.com.cn", "api.amazonwebservices.com.cn", "amazonaws.eu", "api.amazonwebservices.eu",
		"c2s.ic.gov", "api.aws.ic.gov", "sc2s.sgov.gov", "api.aws.scloud", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk",
		"csp.hci.ic.gov", "api.aws.hci.ic.gov",
	}
	if got := Domains(); !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestShapeOfRegions(t *testing.T) {
	for _, s := range []string{"us-east-1", "ap-southeast-10", "us-gov-west-1", "us-isob-east-1", "eusc-de-east-1", "mx-central-1"} {
		if !IsRegion(s) || !MayBeRegion(s) {
			t.Errorf("%s is no region", s)
		}
	}
	for _, s := range []string{"", "eu-central", "eu-central-", "EU-central-1", "eu_central_1", "eu-central-1a", "eu-central-100", "e-central-1", "global", "cluster-ro-c1"} {
		if IsRegion(s) {
			t.Errorf("%q is a region", s)
		}
	}
	for _, s := range []string{"", "-", "eu-", "s3", "s3-us-west-2", "global", "eu--west", "us-east-1/../x", "us-east-1\n", "us.east", strings.ToUpper("us-east-1")} {
		if MayBeRegion(s) {
			t.Errorf("%q may be a region", s)
		}
	}
}
