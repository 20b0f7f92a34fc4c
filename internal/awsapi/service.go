package awsapi

import "cmp"

// Service is one of AWS's services, as far as its requests differ from those of others.
type Service struct {
	// ID is what the SDK's configuration and errors call it: "SSM" for AWS_ENDPOINT_URL_SSM.
	ID string
	// Prefix begins the names of its endpoints: "ssm" for ssm.eu-west-1.amazonaws.com.
	Prefix string
	// Signing is its name in signatures; "" is Prefix.
	Signing string
	// Version is the API's, for the Query protocol.
	Version string
	// Target begins the names of operations, for the JSON protocol.
	Target string
	// DualStackOnly says that it has no endpoints but those for IPv4 and IPv6.
	DualStackOnly bool
	// UsualDualStack are the partitions in which its usual endpoints are for IPv6, too.
	UsualDualStack []string
	// GovCloudFIPS says how its FIPS endpoints in GovCloud are named.
	GovCloudFIPS FIPSNames
	// Global are the endpoints by partition, where it has one for all regions.
	Global map[string]Global
	// FailsAtOnce says that a call without an answer is not worth another try.
	FailsAtOnce bool
	// MaxAnswer bounds what is read of an answer, in bytes; 0 is 8 MiB.
	MaxAnswer int64
}

// FIPSNames says which FIPS endpoints are named without "-fips", as the usual ones are.
type FIPSNames int

// The ways to name FIPS endpoints.
const (
	MarkedFIPS    FIPSNames = iota // none
	UsualIPv4FIPS                  // those for IPv4 only
	UsualFIPS                      // all
)

// usual reports whether the FIPS endpoint is named as the usual one.
func (n FIPSNames) usual(dualStack bool) bool {
	return n == UsualFIPS || n == UsualIPv4FIPS && !dualStack
}

// Global is the endpoint of a service that has one for all regions of a partition.
type Global struct {
	Region               string // that signatures are for
	Host, FIPS           string
	DualStack, FIPSStack string // for IPv4 and IPv6
}

func (s Service) signing() string { return cmp.Or(s.Signing, s.Prefix) }

func (s Service) maxAnswer() int64 { return cmp.Or(s.MaxAnswer, maxAnswer) }
