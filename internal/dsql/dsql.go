package dsql

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pgkeyless/pgkeyless/internal/awsapi"
	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// pageSize is the most clusters that a page may have.
const pageSize = "100"

// identifier is that of a cluster.
var identifier = regexp.MustCompile(`^[a-z0-9]{26}$`)

// IsIdentifier reports whether s has the form of a cluster's identifier. RDS databases may
// be called so, too.
func IsIdentifier(s string) bool { return identifier.MatchString(s) }

// Cluster is what DSQL tells of one. Of a list it has Identifier and ARN only.
type Cluster struct {
	Identifier string `json:"identifier"`
	ARN        string `json:"arn"`
	Endpoint   string `json:"endpoint"` // a host name; "" where DSQL does not tell
	Status     string `json:"status"`   // "ACTIVE", "IDLE", "CREATING", …
}

// Client asks in one region. It is safe for concurrent use and keeps nothing.
type Client struct{ api *awsapi.Client }

// service has no endpoints but those for IPv4 and IPv6. It fails at once: most accounts have
// no cluster, and many regions no DSQL, which an HTTP proxy may say in its own way.
var service = awsapi.Service{ID: "DSQL", Prefix: "dsql", DualStackOnly: true, FailsAtOnce: true}

// New makes a Client for cfg's region. AWS_ENDPOINT_URL_DSQL, AWS_ENDPOINT_URL and their
// like in the shared configuration choose another endpoint.
func New(cfg aws.Config) *Client { return &Client{awsapi.New(cfg, service)} }

// Get asks about the cluster with that identifier.
func (c *Client) Get(ctx context.Context, identifier string) (Cluster, error) {
	var found Cluster
	err := c.api.Get(ctx, "GetCluster", "/cluster/"+identifier, nil, &found)
	return found, c.unlessMissing(err)
}

// List asks for all clusters. What came before an error is returned with it.
func (c *Client) List(ctx context.Context) ([]Cluster, error) {
	return awsapi.All(ctx, func(ctx context.Context, token string) ([]Cluster, string, error) {
		query := url.Values{"max-results": {pageSize}}
		if token != "" {
			query.Set("next-token", token)
		}
		var page struct {
			Clusters  []Cluster `json:"clusters"`
			NextToken string    `json:"nextToken"`
		}
		err := c.api.Get(ctx, "ListClusters", "/cluster", query, &page)
		return page.Clusters, page.NextToken, c.unlessMissing(err)
	})
}

// ErrNoService is wrapped where the region has no DSQL, or none with FIPS endpoints where
// these are asked for.
var ErrNoService = errors.New("the region has no Aurora DSQL")

// unlessMissing is err, with ErrNoService where the name of the endpoint does not exist,
// unless somebody has configured that.
func (c *Client) unlessMissing(err error) error {
	dns, ok := errors.AsType[*net.DNSError](err)
	missing := ok && dns.IsNotFound || errors.Is(err, causes.EndpointSetting)
	if missing && c.api.EndpointOverride() == "" {
		return fmt.Errorf("%w: %w", ErrNoService, err)
	}
	return err
}
