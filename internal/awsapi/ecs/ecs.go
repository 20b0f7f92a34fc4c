// Package ecs asks Amazon ECS which tasks run: the calls that pgkeyless makes, with the
// fields that it reads.
//
// Source: Amazon ECS API reference.
package ecs

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pgkeyless/pgkeyless/internal/awsapi"
)

// Words of ECS.
const (
	Running      = "RUNNING"             // Task.Status, ManagedAgent.Status
	ExecuteAgent = "ExecuteCommandAgent" // ManagedAgent.Name
)

// MaxTasks is how many tasks one call may describe.
const MaxTasks = 100

var service = awsapi.Service{ID: "ECS", Prefix: "ecs", Target: "AmazonEC2ContainerServiceV20141113"}

// Client asks in one region. It is safe for concurrent use.
type Client struct{ api *awsapi.Client }

// New makes a Client for cfg's region.
func New(cfg aws.Config) *Client { return &Client{awsapi.New(cfg, service)} }

// Task is a task.
type Task struct {
	ARN        string      `json:"taskArn"`
	Cluster    string      `json:"clusterArn"`
	Status     string      `json:"lastStatus"`
	Exec       bool        `json:"enableExecuteCommand"`
	LaunchType string      `json:"launchType"`
	Platform   string      `json:"platformFamily"` // "" on EC2
	Containers []Container `json:"containers"`
}

// Container is a container of a task.
type Container struct {
	Name    string         `json:"name"`
	Runtime string         `json:"runtimeId"` // "" before it runs
	Agents  []ManagedAgent `json:"managedAgents"`
}

// ManagedAgent is a program that ECS runs in a container.
type ManagedAgent struct {
	Name   string `json:"name"`
	Status string `json:"lastStatus"`
}

// ListTasks returns the ARNs of a service's running tasks, in pages: token is "" for the
// first page, and next for the last.
func (c *Client) ListTasks(ctx context.Context, cluster, service, token string) (page []string, next string, err error) {
	in := struct {
		Cluster string `json:"cluster"`
		Service string `json:"serviceName"`
		Status  string `json:"desiredStatus"`
		Token   string `json:"nextToken,omitempty"`
	}{cluster, service, Running, token}
	var out struct {
		Tasks []string `json:"taskArns"`
		Token string   `json:"nextToken"`
	}
	err = c.api.JSON(ctx, "ListTasks", in, &out)
	return out.Tasks, out.Token, err
}

// DescribeTasks returns what ECS knows of tasks, MaxTasks at most, by their ids or ARNs.
// Those that do not exist are left out.
func (c *Client) DescribeTasks(ctx context.Context, cluster string, tasks []string) ([]Task, error) {
	in := struct {
		Cluster string   `json:"cluster"`
		Tasks   []string `json:"tasks"`
	}{cluster, tasks}
	var out struct {
		Tasks []Task `json:"tasks"`
	}
	err := c.api.JSON(ctx, "DescribeTasks", in, &out)
	return out.Tasks, err
}
