// Package autoscaling asks Amazon EC2 Auto Scaling which instances a group has.
//
// Source: Amazon EC2 Auto Scaling API reference.
package autoscaling

import (
	"context"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pgkeyless/pgkeyless/internal/awsapi"
)

// InService is the State of an instance that the group counts on.
const InService = "InService"

var service = awsapi.Service{ID: "Auto Scaling", Prefix: "autoscaling", Version: "2011-01-01", GovCloudFIPS: awsapi.UsualIPv4FIPS}

// Client asks in one region. It is safe for concurrent use.
type Client struct{ api *awsapi.Client }

// New makes a Client for cfg's region.
func New(cfg aws.Config) *Client { return &Client{awsapi.New(cfg, service)} }

// Instance is an instance of a group.
type Instance struct {
	ID    string `xml:"InstanceId"`
	State string `xml:"LifecycleState"`
}

// DescribeAutoScalingGroup returns the instances of the group with that name: none where
// there is no such group.
func (c *Client) DescribeAutoScalingGroup(ctx context.Context, name string) ([]Instance, error) {
	if name == "" { // that would be all groups
		return nil, nil
	}
	form := url.Values{}
	awsapi.AddMembers(form, "AutoScalingGroupNames", name)
	var out struct {
		Instances []Instance `xml:"DescribeAutoScalingGroupsResult>AutoScalingGroups>member>Instances>member"`
	}
	err := c.api.Query(ctx, "DescribeAutoScalingGroups", form, &out)
	return out.Instances, err
}
