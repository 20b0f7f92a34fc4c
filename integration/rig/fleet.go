package rig

import (
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

// The jump hosts of these tests beside lab.Target.
const (
	OtherHost = "i-0bbbbbbbbbbbbbbbb"
	Container = "ecs:tools_0f1e2d3c4b5a_0f1e2d3c4b5a-0000000001"
)

// FleetOf has lab.Target and OtherHost under a tag and in a group, and one
// container, of which those named are online.
func FleetOf(online ...string) (awsemu.Fleet, func(*awsemu.Config)) {
	role := map[string]string{"Role": "jump"}
	fleet := awsemu.Fleet{
		PageSize: 1,
		Nodes: []awsemu.Node{
			{ID: "i-0000000000000000a", Name: "web", Tags: map[string]string{"Role": "web"}, Status: "Online"},
			{ID: lab.Target, Name: "jump-a", Tags: role}, {ID: OtherHost, Name: "jump-b", Tags: role},
		},
		Groups: map[string]map[string]string{"jumps": {lab.Target: "InService", OtherHost: "InService", "i-0000000000000000c": "Terminating"}},
		Tasks: []awsemu.Task{
			{Cluster: "tools", Service: "jump", ID: "aaaa", Runtime: "aaaa-1", NoExec: true},
			{Cluster: "tools", Service: "jump", ID: "0f1e2d3c4b5a", Runtime: "0f1e2d3c4b5a-0000000001"},
			{Cluster: "tools", Service: "web", ID: "bbbb", Runtime: "bbbb-1"},
		},
	}
	return fleet, func(c *awsemu.Config) {
		c.Targets = map[string]bool{}
		for _, target := range online {
			c.Targets[target] = true
		}
	}
}
