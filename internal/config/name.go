package config

import (
	"regexp"
	"strconv"
	"strings"
)

const nameForm = "a target is an RDS instance, cluster or proxy, or an Aurora DSQL cluster, by its identifier or ARN, or the endpoint of a database, HOST[:PORT], " +
	"for example mydb.abc123.eu-central-1.rds.amazonaws.com:5432"

// What names a database to AWS. A global cluster's ARN has no region. The identifier of a
// DSQL cluster may begin with a digit.
//
// Sources: Amazon RDS user guide, "Naming constraints" and "ARNs in Amazon RDS"; Aurora
// DSQL API reference, GetCluster.
var (
	identifier = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*(-[A-Za-z0-9]+)*$`)
	rdsARN     = regexp.MustCompile(`^arn:aws[a-z-]*:rds:([a-z0-9-]*):[0-9]{12}:(db|cluster|db-proxy|db-proxy-endpoint|cluster-endpoint|global-cluster):([A-Za-z0-9-]+)$`)
	dsqlID     = regexp.MustCompile(`^[a-z0-9]{26}$`)
	dsqlARN    = regexp.MustCompile(`^arn:aws[a-z-]*:dsql:([a-z0-9-]+):[0-9]{12}:cluster/([a-z0-9]{26})$`)
)

const (
	maxIdentifier = 63
	// maxARN is more than any that AWS makes.
	maxARN = 256
)

// parseName reads what stands before the query string of a target. It does not
// repeat what may hold a password.
func parseName(s string) (Target, error) {
	switch {
	case strings.Contains(s, "://"):
		return Target{}, problem("a target is not a URL").hinted(nameForm)
	case strings.LastIndexByte(s, '@') >= 0:
		return Target{}, problem("target …%q: a target cannot contain a user", s[strings.LastIndexByte(s, '@'):]).hinted(
			"give the endpoint only, and the user with --user or '?user=NAME'")
	case strings.HasPrefix(s, "arn:"):
		return parseARN(s)
	case isHere(s):
		return Target{}, problem("target %q is this machine, where clients connect", s).hinted(
			"name the database: its identifier, ARN or endpoint; `pgkeyless list` shows those that you can see. Clients then connect to localhost")
	case isIdentifier(s):
		return Target{Ref: s, Name: s}, nil
	}
	host, err := parseEndpoint(s)
	return Target{Endpoint: s, Name: host}, err
}

// isHere reports whether s is localhost, with or without a port.
func isHere(s string) bool {
	host, _, _ := strings.Cut(s, ":")
	return strings.EqualFold(host, "localhost")
}

func isIdentifier(s string) bool {
	return len(s) <= maxIdentifier && identifier.MatchString(s) || dsqlID.MatchString(s)
}

func parseARN(s string) (Target, error) {
	if m := dsqlARN.FindStringSubmatch(s); m != nil && checkRegion(m[1]) == nil {
		return Target{Ref: s, Name: m[2]}, nil
	}
	m := rdsARN.FindStringSubmatch(s)
	if m == nil || len(s) > maxARN || m[1] != "" && checkRegion(m[1]) != nil || m[1] == "" && m[2] != "global-cluster" {
		return Target{}, problem("target %q is not the ARN of an RDS database or of an Aurora DSQL cluster", s).hinted(
			"one looks like arn:aws:rds:REGION:ACCOUNT:KIND:NAME with kind db, cluster, db-proxy, db-proxy-endpoint, cluster-endpoint or global-cluster, " +
				"or like arn:aws:dsql:REGION:ACCOUNT:cluster/ID")
	}
	return Target{Ref: s, Name: m[3]}, nil
}

// parseEndpoint checks HOST[:PORT] and returns HOST.
func parseEndpoint(s string) (host string, err error) {
	host, port, hasPort := strings.Cut(s, ":")
	if host == "" {
		return "", problem("a target without a name").hinted(nameForm)
	}
	if hasPort && isIdentifier(host) {
		return "", problem("target %q: a port belongs to an endpoint, not to an identifier", s).hinted(
			"the database's port is looked up; to choose the one to listen on, write '%s?port=N'", host)
	}
	if !isHost(host) || !strings.Contains(strings.TrimSuffix(host, "."), ".") {
		return "", problem("target %q is neither an identifier nor the host name of an endpoint", s).hinted(nameForm)
	}
	if n, err := strconv.ParseUint(port, 10, 16); hasPort && (err != nil || n == 0) {
		return "", problem("target %q: %q is not a port number", s, port).hinted(nameForm)
	}
	return host, nil
}
