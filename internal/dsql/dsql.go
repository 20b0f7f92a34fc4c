package dsql

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go"

	"github.com/pgkeyless/pgkeyless/internal/credentials"
	"github.com/pgkeyless/pgkeyless/internal/partition"
)

const (
	// emptyPayload is the SHA-256 of no body.
	emptyPayload = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	// maxAnswer bounds what is read of an answer: a page of 100 clusters has some 20 KB.
	maxAnswer = 1 << 20
	// pageSize is the most clusters that a page may have.
	pageSize = "100"
	// maxPages bounds a list; an account has 20 clusters unless AWS has raised its quota.
	maxPages = 100

	// A request that is throttled, or fails within AWS, is repeated after a pause that
	// doubles.
	attempts   = 3
	firstPause = 200 * time.Millisecond
)

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
type Client struct {
	base        string // URL of the endpoint, without a slash at its end
	region      string
	http        *http.Client
	credentials aws.CredentialsProvider
}

// New makes a Client for cfg's region. AWS_ENDPOINT_URL_DSQL, AWS_ENDPOINT_URL and their
// like in the shared configuration choose another endpoint, as for the SDK's clients.
func New(cfg aws.Config) *Client {
	base := "https://dsql." + cfg.Region + "." + partition.DualStackDomain(cfg.Region)
	client := credentials.HTTPClient(cfg)
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // what is signed is for one host
	return &Client{
		base:   strings.TrimSuffix(cmp.Or(endpointOverride(cfg), base), "/"),
		region: cfg.Region, http: client, credentials: cfg.Credentials,
	}
}

// sdkID is what the SDK's configuration calls the service.
const sdkID = "DSQL"

// endpointOverride is what the environment or the shared configuration has in place of
// DSQL's own endpoint, or "".
func endpointOverride(cfg aws.Config) string {
	for _, source := range cfg.ConfigSources {
		if s, ok := source.(interface {
			GetIgnoreConfiguredEndpoints(context.Context) (bool, bool, error)
		}); ok {
			if ignore, found, err := s.GetIgnoreConfiguredEndpoints(context.Background()); err == nil && found {
				if ignore {
					return ""
				}
				break
			}
		}
	}
	for _, source := range cfg.ConfigSources {
		if s, ok := source.(interface {
			GetServiceBaseEndpoint(ctx context.Context, sdkID string) (string, bool, error)
		}); ok {
			if own, found, err := s.GetServiceBaseEndpoint(context.Background(), sdkID); err == nil && found {
				return own
			}
		}
	}
	return aws.ToString(cfg.BaseEndpoint)
}

// Get asks about the cluster with that identifier.
func (c *Client) Get(ctx context.Context, identifier string) (Cluster, error) {
	var found Cluster
	err := c.call(ctx, "/cluster/"+url.PathEscape(identifier), nil, &found)
	return found, err
}

// List asks for all clusters. What came before an error is returned with it.
func (c *Client) List(ctx context.Context) ([]Cluster, error) {
	var all []Cluster
	query := url.Values{"max-results": {pageSize}}
	for range maxPages {
		var page struct {
			Clusters  []Cluster `json:"clusters"`
			NextToken string    `json:"nextToken"`
		}
		if err := c.call(ctx, "/cluster", query, &page); err != nil {
			return all, err
		}
		all = append(all, page.Clusters...)
		if page.NextToken == "" {
			return all, nil
		}
		query.Set("next-token", page.NextToken)
	}
	return all, fmt.Errorf("the list of clusters has no end within %d pages", maxPages)
}

// NoService reports whether err says that the region has no DSQL: the name of its endpoint
// does not exist.
func NoService(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound
}

// call sends a request, again if that may help, and decodes the answer.
func (c *Client) call(ctx context.Context, path string, query url.Values, into any) error {
	pause := firstPause
	for try := 1; ; try++ {
		again, err := c.once(ctx, path, query, into)
		if err == nil || !again || try == attempts {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
		pause *= 2
	}
}

// once sends a request. again says that the same may succeed later.
func (c *Client) once(ctx context.Context, path string, query url.Values, into any) (again bool, err error) {
	if !partition.MayBeRegion(c.region) { // it is a part of the host's name
		return false, fmt.Errorf("%q is no region", c.region)
	}
	keys, err := c.credentials.Retrieve(ctx)
	if err != nil {
		return false, err
	}
	target := c.base + path
	if len(query) > 0 {
		target += "?" + strings.ReplaceAll(query.Encode(), "+", "%20") // as the signer takes it
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return false, err
	}
	if err := v4.NewSigner().SignHTTP(ctx, keys, request, emptyPayload, "dsql", c.region, time.Now()); err != nil {
		return false, fmt.Errorf("signing the request: %w", err)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return false, fmt.Errorf("reading the answer: %w", err)
	}
	if len(body) > maxAnswer {
		return false, fmt.Errorf("the answer has more than %d bytes", maxAnswer)
	}
	if response.StatusCode != http.StatusOK {
		return response.StatusCode == http.StatusTooManyRequests || response.StatusCode >= 500, refused(response, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return false, errors.New("the answer is not the JSON that was asked for")
	}
	return false, nil
}

// refused is the error of an answer. Its code is in a header or in the body, with a
// namespace before it or a URL behind.
//
// Source: Smithy, AWS restJson1 protocol, "Operation error serialization".
func refused(response *http.Response, body []byte) error {
	var said struct {
		Type         string `json:"__type"`
		Code         string `json:"code"`
		Message      string `json:"message"`
		MessageUpper string `json:"Message"`
	}
	_ = json.Unmarshal(body, &said) // an answer of something in between has neither
	code := cmp.Or(response.Header.Get("X-Amzn-ErrorType"), said.Type, said.Code)
	code, _, _ = strings.Cut(code, ":")
	code = code[strings.LastIndexByte(code, '#')+1:]
	if code == "" {
		return fmt.Errorf("the answer is HTTP %d", response.StatusCode)
	}
	return &smithy.GenericAPIError{Code: code, Message: cmp.Or(said.Message, said.MessageUpper)}
}
