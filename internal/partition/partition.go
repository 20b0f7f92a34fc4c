// Package partition knows AWS's partitions: which regions each has, how a region
// is named, and under which DNS names its endpoints are.
package partition

import (
	"regexp"
	"slices"
	"strings"
)

// Commercial is the partition of most regions; GovCloud and China have names, too.
const (
	Commercial = "aws"
	GovCloud   = "aws-us-gov"
	China      = "aws-cn"
)

// partitions are all there are. A region belongs to the one whose prefix begins
// its name, and to the commercial one when there is none.
//
// Source: botocore, data/partitions.json; aws-sdk-go-v2,
// internal/endpoints/awsrulesfn/partitions.go; agent,
// common/identity/endpoint/endpoint.go. The domains without a name are from the
// AWS JDBC wrapper, util/RdsUtils.java: what their partitions are called is not
// published.
var partitions = []struct {
	name, prefix string
	domain       string // of the regional endpoints, those of databases among them
	dualStack    string // of the dual-stack ones
}{
	{Commercial, "", "amazonaws.com", "api.aws"},
	{GovCloud, "us-gov-", "amazonaws.com", "api.aws"},
	{China, "cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"},
	{"aws-eusc", "eusc-", "amazonaws.eu", "api.amazonwebservices.eu"},
	{"aws-iso", "us-iso-", "c2s.ic.gov", "api.aws.ic.gov"},
	{"aws-iso-b", "us-isob-", "sc2s.sgov.gov", "api.aws.scloud"},
	{"aws-iso-e", "eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"},
	{"aws-iso-f", "us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"},
	{"", "", "amazonaws.au", ""},
	{"", "", "amazonaws.uk", ""},
}

// dsqlDomain is where DSQL's endpoints are, in the commercial partition.
const dsqlDomain = "on.aws"

// Of is the partition of a region: "aws", "aws-cn", "aws-us-gov", ….
func Of(region string) string {
	for _, p := range partitions {
		if p.prefix != "" && strings.HasPrefix(region, p.prefix) {
			return p.name
		}
	}
	return Commercial
}

// Domain is under which a region's endpoints are.
func Domain(region string) string { domain, _ := domains(region); return domain }

// DualStackDomain is under which a region's dual-stack endpoints are, those of services
// that have no others among them.
func DualStackDomain(region string) string { _, dualStack := domains(region); return dualStack }

func domains(region string) (domain, dualStack string) {
	name := Of(region)
	for _, p := range partitions {
		if p.name == name {
			return p.domain, p.dualStack
		}
	}
	return "", ""
}

// DSQLHost is the public endpoint of a DSQL cluster.
//
// Source: Aurora DSQL user guide, "Accessing Aurora DSQL".
func DSQLHost(identifier, region string) string {
	return identifier + ".dsql." + region + "." + dsqlDomain
}

// CutDomain cuts from a lower-case host name the domain under which AWS names
// databases. found says whether it has one. name is the domain's partition, and
// empty where that is not known; under amazonaws.com the region may say that it is
// another than the commercial one.
func CutDomain(host string) (labels, name string, found bool) {
	for _, p := range partitions {
		if labels, found = strings.CutSuffix(host, "."+p.domain); found {
			return labels, p.name, true
		}
	}
	labels, found = strings.CutSuffix(host, "."+dsqlDomain)
	if !found {
		return host, "", false
	}
	return labels, Commercial, true
}

// Domains are those of AWS's regional endpoints: of each partition that is known
// by name the usual one and that of the dual-stack endpoints.
func Domains() []string {
	var all []string
	for _, p := range partitions {
		if p.name != "" && !slices.Contains(all, p.domain) {
			all = append(all, p.domain, p.dualStack)
		}
	}
	return all
}

var (
	region       = regexp.MustCompile(`^[a-z]{2,5}(-[a-z]+)+-[0-9]{1,2}$`)
	futureRegion = regexp.MustCompile(`^[a-z]{2,}(-[a-z0-9]+)+$`)
)

// IsRegion reports whether s has the shape of the regions of all partitions:
// us-east-1, us-gov-west-1, us-isob-east-1, eusc-de-east-1. It is for what people
// type, and for telling a region from the other parts of a host name.
func IsRegion(s string) bool { return region.MatchString(s) }

// MayBeRegion is IsRegion with room for shapes to come: s is fit to stand where a
// region is signed or named. It is for what AWS itself says, and its
// configuration. A word without a hyphen is none: it may be a service's.
func MayBeRegion(s string) bool { return futureRegion.MatchString(s) }
