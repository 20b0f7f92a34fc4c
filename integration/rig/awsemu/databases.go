package awsemu

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// DBInstance is an RDS instance. Empty fields: PostgreSQL 16.4, available, port
// 5432, the emulator's own region.
type DBInstance struct {
	Identifier, ResourceID, Host, Engine, Status string
	EngineVersion                                string // empty: 16.4
	Port                                         int
	NoIAM                                        bool
	Cluster                                      string
	VPC                                          string // empty: vpc-0123456789abcdef0
	Region                                       string
	Secret                                       *MasterSecret // that RDS keeps; nil: none
}

// MasterSecret is the secret with the master user's password. The user is "postgres".
type MasterSecret struct {
	ARN    string
	Status string // empty: active
	Key    string // empty: AWS's own
}

// DBCluster is an Aurora cluster, with defaults as DBInstance's.
type DBCluster struct {
	Identifier, ResourceID, Host, ReaderHost, Engine, EngineMode, Status string
	Port                                                                 int
	NoIAM                                                                bool
	Members                                                              []string
	Custom                                                               map[string]string // custom endpoints: identifier to host
	Region                                                               string
	Express                                                              bool // in no VPC, and public
	Secret                                                               *MasterSecret
	PausesAfter                                                          int // seconds; 0: never
}

// DBProxy is an RDS Proxy. Its ARN ends in ResourceID.
type DBProxy struct {
	Name, ResourceID, Host, EngineFamily, Status string
	NoIAM                                        bool              // clients log in with passwords
	EndToEnd                                     bool              // it logs in to its database by IAM, and has no secret
	NoTLS                                        bool              // clients need none
	IdleClientTimeout                            int               // seconds; 0: RDS's default, 1800
	ReadOnly                                     map[string]string // endpoints of its own for reading: name to host
	Targets                                      []DBProxyTarget
	Region                                       string
}

// DBProxyTarget is an instance that a proxy connects to. Empty fields: available, port 5432.
type DBProxyTarget struct {
	Instance, Cluster, Host    string // Cluster: the proxy's target, of which Instance is a member
	State, Reason, Description string
}

// GlobalCluster is an Aurora global database. Writer and Members are ARNs of
// clusters.
type GlobalCluster struct {
	Identifier, Host, Writer string
	Members                  []string
}

// BlueGreen is a blue/green deployment. Kind is "db" or "cluster"; Pairs are the names of
// blue and green environment, and of their members.
type BlueGreen struct {
	Identifier, Kind, Status string
	Pairs                    [][2]string
	Region                   string
}

// Databases are all that RDS knows. Every list comes in pages of PageSize; zero
// means RDS's own 100.
type Databases struct {
	Instances []DBInstance
	Clusters  []DBCluster
	Proxies   []DBProxy
	Globals   []GlobalCluster
	BlueGreen []BlueGreen
	PageSize  int
}

// SetDatabases replaces what RDS knows.
func (e *Emulator) SetDatabases(d Databases) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.databases = d
}

const rdsNamespace = "http://rds.amazonaws.com/doc/2014-10-31/"

// rdsOperations are what RDS answers.
func (e *Emulator) rdsOperations() map[string]queryOperation {
	return map[string]queryOperation{
		"DescribeDBInstances":          e.describeInstances,
		"DescribeDBClusters":           e.describeClusters,
		"DescribeDBClusterEndpoints":   e.describeClusterEndpoints,
		"DescribeDBProxies":            e.describeProxies,
		"DescribeDBProxyEndpoints":     e.describeProxyEndpoints,
		"DescribeDBProxyTargets":       e.describeProxyTargets,
		"DescribeGlobalClusters":       e.describeGlobals,
		"DescribeBlueGreenDeployments": e.describeBlueGreen,
	}
}

func (e *Emulator) known() Databases {
	e.mu.Lock()
	defer e.mu.Unlock()
	d := e.databases
	if d.PageSize == 0 {
		d.PageSize = 100
	}
	return d
}

// named picks from items those in the caller's region that have the name, or all
// of them for an empty one. None with a name is the error missing; no code, no
// error.
func named[T any](items []T, name, missing string, has func(T) (name string, here bool)) ([]T, *apiError) {
	var found []T
	for _, item := range items {
		if n, here := has(item); here && (name == "" || strings.EqualFold(n, name)) {
			found = append(found, item)
		}
	}
	if name != "" && len(found) == 0 && missing != "" {
		return nil, &apiError{missing, name + " not found.", 404}
	}
	return found, nil
}

// page is the part of items that a form's Marker and MaxRecords ask for.
func page[T any](items []T, form url.Values, most int) (part []T, marker string, err *apiError) {
	from := 0
	if m := form.Get("Marker"); m != "" {
		n, convErr := strconv.Atoi(strings.TrimPrefix(m, "marker-"))
		if convErr != nil || n < 0 || n > len(items) {
			return nil, "", failed("InvalidParameterValue", "Marker "+m+" is not one of ours")
		}
		from = n
	}
	if m := form.Get("MaxRecords"); m != "" {
		n, convErr := strconv.Atoi(m)
		if convErr != nil || n < 20 || n > 100 {
			return nil, "", failed("InvalidParameterValue", "Invalid value "+m+" for MaxRecords. Must be between 20 and 100")
		}
		most = min(most, n)
	}
	to := min(from+most, len(items))
	if to < len(items) {
		marker = fmt.Sprint("marker-", to)
	}
	return slices.Clone(items[from:to]), marker, nil
}

// arn is that of something in a region; for an empty one, the emulator's.
func (e *Emulator) arn(service, region, resource string) string {
	return strings.Join([]string{"arn", "aws", service, e.region(region), e.cfg.Account, resource}, ":")
}

func (e *Emulator) region(r string) string {
	if r == "" {
		return e.cfg.Region
	}
	return r
}

func (e *Emulator) here(caller Caller, region string) bool { return e.region(region) == caller.region }

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func orPort(n int) int {
	if n == 0 {
		return 5432
	}
	return n
}
