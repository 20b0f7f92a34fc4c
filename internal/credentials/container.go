package credentials

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"

	"github.com/pgkeyless/pgkeyless/internal/sharedfiles"
)

// taskCredentials is where a task of ECS asks.
//
// Source: ECS developer guide, task-iam-roles.html.
const taskCredentials = "http://169.254.170.2"

// Where credentials may be had without TLS: of ECS, and of EKS Pod Identity.
//
// Source: AWS SDKs and Tools guide, feature-container-credentials.html.
var containerHosts = []netip.Addr{netip.MustParseAddr("169.254.170.2"), netip.MustParseAddr("169.254.170.23"), netip.MustParseAddr("fd00:ec2::23")}

// container asks the service that a container or pod has its role from.
func (c *chain) container() (aws.CredentialsProvider, error) {
	address := taskCredentials + c.env.ContainerCredentialsRelativePath
	if c.env.ContainerCredentialsRelativePath == "" {
		address = c.env.ContainerCredentialsEndpoint
		if err := checkContainerURL(address); err != nil {
			return nil, &broken{what: "AWS_CONTAINER_CREDENTIALS_FULL_URI " + err.Error(), where: "AWS_CONTAINER_CREDENTIALS_FULL_URI=" + address,
				fix: "correct or unset that variable; without TLS, only this machine and the addresses of ECS and EKS are allowed"}
		}
	}
	return aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		token := c.env.ContainerAuthorizationToken
		if file := os.Getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"); file != "" { // its token is replaced now and then
			text, err := os.ReadFile(sharedfiles.Expand(file))
			if err != nil {
				return aws.Credentials{}, &broken{what: fmt.Sprintf("the file that AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names cannot be read: %v", bare(err)),
					where: "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=" + file, fix: "let that variable name the token's file, or unset it", err: err}
			}
			token = strings.TrimRight(string(text), "\r\n")
		}
		return endpointcreds.New(address, func(o *endpointcreds.Options) {
			o.HTTPClient, o.AuthorizationToken = nearbyHTTPClient(), token
		}).Retrieve(ctx)
	}), nil
}

// checkContainerURL: with plain HTTP no other machine may be asked.
func checkContainerURL(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return fmt.Errorf("is not a URL with a host")
	}
	if u.Scheme != "http" {
		return nil
	}
	host := u.Hostname()
	addresses := []string{host}
	if _, err := netip.ParseAddr(host); err != nil {
		if addresses, err = net.LookupHost(host); err != nil {
			return fmt.Errorf("names a host that cannot be found: %w", err)
		}
	}
	for _, text := range addresses {
		if a, err := netip.ParseAddr(text); err != nil || !a.Unmap().IsLoopback() && !slices.Contains(containerHosts, a.Unmap()) {
			return fmt.Errorf("leads to %s without TLS", host)
		}
	}
	return nil
}
