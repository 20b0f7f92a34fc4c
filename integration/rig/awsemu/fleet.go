package awsemu

import (
	"encoding/json"
	"encoding/xml"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Node is an instance that Systems Manager manages. Whether it is online is what
// SetOnline and Config.Targets say of its ID, unless Status is set.
type Node struct {
	ID, Name, Agent, Platform, Region string
	Status                            string // "ConnectionLost", say
	Tags                              map[string]string
}

// Task is an ECS task of one container.
type Task struct {
	Cluster, Service, ID, Runtime string
	NoExec                        bool   // ECS Exec is off
	Agent                         string // state of the ExecuteCommandAgent; empty means RUNNING
}

// Fleet is all that can be a jump host. Lists come in pages of PageSize; zero
// means each service's own.
type Fleet struct {
	Nodes    []Node
	Tasks    []Task
	Groups   map[string]map[string]string // Auto Scaling: group to instance to lifecycle state
	PageSize int
}

// SetFleet replaces what may be a jump host.
func (e *Emulator) SetFleet(f Fleet) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.fleet = f
}

func (e *Emulator) machines() Fleet {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.fleet
}

type nodeRow struct {
	InstanceId, PingStatus, AgentVersion, ComputerName, PlatformName, PlatformType, ResourceType, IPAddress string
	LastPingDateTime                                                                                        float64
}

// describeNodes is DescribeInstanceInformation.
func (e *Emulator) describeNodes(caller Caller, in ssmInput) (any, *apiError) {
	if in.MaxResults != nil && (*in.MaxResults < 5 || *in.MaxResults > 50) {
		return nil, invalid("1 validation error detected: Value at 'maxResults' failed to satisfy constraint: Member must be between 5 and 50")
	}
	f := e.machines()
	rows := []nodeRow{}
	for _, n := range f.Nodes {
		keep := e.here(caller, n.Region)
		for _, filter := range in.Filters {
			if len(filter.Values) == 0 || len(filter.Values) > 100 {
				return nil, failed("InvalidInstanceInformationFilterValue", "a filter has 1 to 100 values")
			}
			switch key, tag := strings.CutPrefix(filter.Key, "tag:"); {
			case tag:
				value, has := n.Tags[key]
				keep = keep && has && slices.Contains(filter.Values, value)
			case filter.Key == "InstanceIds":
				keep = keep && slices.Contains(filter.Values, n.ID)
			default:
				return nil, failed("InvalidFilterKey", "The filter key "+filter.Key+" is not known here")
			}
		}
		if keep {
			status := or(n.Status, "ConnectionLost")
			if n.Status == "" && e.online(n.ID) {
				status = "Online"
			}
			rows = append(rows, nodeRow{n.ID, status, or(n.Agent, e.AgentVersion()), n.Name, or(n.Platform, "Amazon Linux"), "Linux", "EC2Instance", "10.0.0.10", epoch(time.Now())})
		}
	}
	most := 10
	if in.MaxResults != nil {
		most = *in.MaxResults
	}
	part, next, err := tokenPage(rows, in.NextToken, most, f.PageSize)
	if err != nil {
		return nil, err
	}
	return map[string]any{"InstanceInformationList": part, "NextToken": next}, nil
}

// tokenPage is the part of items that a token asks for; nil is the last one's
// next.
func tokenPage[T any](items []T, token string, most, size int) (part []T, next *string, err *apiError) {
	from := 0
	if token != "" {
		n, convErr := strconv.Atoi(strings.TrimPrefix(token, "token-"))
		if convErr != nil || n < 0 || n > len(items) {
			return nil, nil, failed("InvalidNextToken", "The token is not one of ours")
		}
		from = n
	}
	if size > 0 {
		most = min(most, size)
	}
	to := min(from+most, len(items))
	if to < len(items) {
		t := "token-" + strconv.Itoa(to)
		next = &t
	}
	return items[from:to], next, nil
}

const ecsTargetPrefix = "AmazonEC2ContainerServiceV20141113."

// callECS serves ListTasks and DescribeTasks.
func (e *Emulator) callECS(r *http.Request, operation string, body []byte) (any, *apiError) {
	caller, err := e.verify(r, body, "ecs")
	if err != nil {
		return nil, err
	}
	e.dawdle(r.Context(), operation)
	if err := e.injected(operation); err != nil {
		return nil, err
	}
	var in struct {
		Cluster, ServiceName, NextToken string
		Tasks                           []string
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, failed("SerializationException", "the request body is not what the operation takes")
	}
	f := e.machines()
	if !slices.ContainsFunc(f.Tasks, func(t Task) bool { return t.Cluster == in.Cluster }) {
		return nil, failed("ClusterNotFoundException", "Cluster not found.")
	}
	arn := func(t Task) string { return e.arn("ecs", caller.region, "task/"+t.Cluster+"/"+t.ID) }
	switch operation {
	case "ListTasks":
		arns := []string{}
		known := false
		for _, t := range f.Tasks {
			if t.Cluster == in.Cluster && t.Service == in.ServiceName {
				known = true
				if t.ID != "" {
					arns = append(arns, arn(t))
				}
			}
		}
		if !known {
			return nil, failed("ServiceNotFoundException", "Service not found.")
		}
		part, next, err := tokenPage(arns, in.NextToken, 100, f.PageSize)
		return map[string]any{"taskArns": part, "nextToken": next}, err
	case "DescribeTasks":
		if len(in.Tasks) == 0 || len(in.Tasks) > 100 {
			return nil, failed("InvalidParameterException", "1 to 100 tasks")
		}
		var tasks []any
		for _, t := range f.Tasks {
			if t.Cluster == in.Cluster && (slices.Contains(in.Tasks, arn(t)) || slices.Contains(in.Tasks, t.ID)) {
				tasks = append(tasks, e.taskRow(caller, arn(t), t))
			}
		}
		return map[string]any{"tasks": tasks, "failures": []any{}}, nil
	}
	return nil, failed("UnknownOperationException", "")
}

func (e *Emulator) taskRow(caller Caller, arn string, t Task) any {
	return map[string]any{
		"taskArn": arn, "clusterArn": e.arn("ecs", caller.region, "cluster/"+t.Cluster), "lastStatus": "RUNNING", "desiredStatus": "RUNNING",
		"launchType": "FARGATE", "enableExecuteCommand": !t.NoExec,
		"containers": []any{map[string]any{
			"name": t.Service, "runtimeId": t.Runtime, "lastStatus": "RUNNING",
			"managedAgents": []any{map[string]any{"name": "ExecuteCommandAgent", "lastStatus": or(t.Agent, "RUNNING")}},
		}},
	}
}

const autoScalingNamespace = "http://autoscaling.amazonaws.com/doc/2011-01-01/"

// autoScalingOperations are what Auto Scaling answers.
func (e *Emulator) autoScalingOperations() map[string]queryOperation {
	return map[string]queryOperation{"DescribeAutoScalingGroups": e.describeGroups}
}

type groupXML struct {
	AutoScalingGroupName string
	Instances            []groupInstanceXML `xml:"Instances>member"`
}

type groupInstanceXML struct{ InstanceId, LifecycleState, HealthStatus, AvailabilityZone string }

// describeGroups leaves out groups that do not exist, as the original does.
func (e *Emulator) describeGroups(_ Caller, form url.Values) (any, *apiError) {
	f := e.machines()
	answer := struct {
		XMLName   xml.Name   `xml:"DescribeAutoScalingGroupsResponse"`
		Namespace string     `xml:"xmlns,attr"`
		Groups    []groupXML `xml:"DescribeAutoScalingGroupsResult>AutoScalingGroups>member"`
		RequestID string     `xml:"ResponseMetadata>RequestId"`
	}{Namespace: autoScalingNamespace, RequestID: newRequestID()}
	for _, name := range members(form, "AutoScalingGroupNames", "") {
		group, ok := f.Groups[name]
		if !ok {
			continue
		}
		x := groupXML{AutoScalingGroupName: name}
		for id, state := range group {
			x.Instances = append(x.Instances, groupInstanceXML{id, state, "Healthy", e.cfg.Region + "a"})
		}
		answer.Groups = append(answer.Groups, x)
	}
	return answer, nil
}
