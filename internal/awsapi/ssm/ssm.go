// Package ssm asks AWS Systems Manager which nodes it manages.
//
// Source: AWS Systems Manager API reference, DescribeInstanceInformation.
package ssm

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pgkeyless/pgkeyless/internal/awsapi"
)

// Bounds of a call.
const (
	maxResults = 50 // nodes in an answer
	MaxValues  = 50 // values in a Filter
)

// Online is the Ping of a node whose agent is connected.
const Online = "Online"

// Service is Systems Manager.
var Service = awsapi.Service{ID: "SSM", Prefix: "ssm", Target: "AmazonSSM", GovCloudFIPS: awsapi.UsualIPv4FIPS}

// Client asks in one region. It is safe for concurrent use.
type Client struct{ api *awsapi.Client }

// New makes a Client for cfg's region.
func New(cfg aws.Config) *Client { return &Client{awsapi.New(cfg, Service)} }

// Filter lets nodes through by one property: "InstanceIds", or "tag:" and a tag's key.
type Filter struct {
	Key    string
	Values []string // one of them, of MaxValues at most
}

// Node is a managed node.
type Node struct {
	ID              string `json:"InstanceId"`
	Name            string // of a hybrid one; else ""
	ComputerName    string
	IP              string `json:"IPAddress"`
	Ping            string `json:"PingStatus"`
	Agent           string `json:"AgentVersion"`
	PlatformName    string
	PlatformVersion string
}

// DescribeInstanceInformation returns the nodes that all filters let through, in pages:
// token is "" for the first page, and next for the last.
func (c *Client) DescribeInstanceInformation(ctx context.Context, filters []Filter, token string) (page []Node, next string, err error) {
	in := struct {
		Filters    []Filter `json:",omitempty"`
		MaxResults int
		NextToken  string `json:",omitempty"`
	}{filters, maxResults, token}
	var out struct {
		InstanceInformationList []Node
		NextToken               string
	}
	err = c.api.JSON(ctx, "DescribeInstanceInformation", in, &out)
	return out.InstanceInformationList, out.NextToken, err
}
