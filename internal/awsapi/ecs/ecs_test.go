package ecs

import (
	"reflect"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/awsapi/apitest"
	"github.com/pgkeyless/pgkeyless/internal/awserror"
)

func TestListTasks(t *testing.T) {
	server := apitest.Answering(`{"taskArns":["arn:t1","arn:t2"],"nextToken":"n2"}`, `{"taskArns":[]}`)
	c := New(server.Config("eu-central-1"))
	page, next, err := c.ListTasks(t.Context(), "tools", "jump", "")
	if err != nil || next != "n2" || !reflect.DeepEqual(page, []string{"arn:t1", "arn:t2"}) {
		t.Errorf("the first page: %v, next %q, %v", page, next, err)
	}
	page, next, err = c.ListTasks(t.Context(), "tools", "jump", "n2")
	if err != nil || next != "" || len(page) != 0 {
		t.Errorf("the last page: %v, next %q, %v", page, next, err)
	}
	for i, want := range []string{
		`{"cluster":"tools","serviceName":"jump","desiredStatus":"RUNNING"}`,
		`{"cluster":"tools","serviceName":"jump","desiredStatus":"RUNNING","nextToken":"n2"}`,
	} {
		if call := server.Calls[i]; call.Body != want || call.Header.Get("X-Amz-Target") != "AmazonEC2ContainerServiceV20141113.ListTasks" {
			t.Errorf("call %d: %s %s, want %s", i, call.Header.Get("X-Amz-Target"), call.Body, want)
		}
	}
}

func TestDescribeTasks(t *testing.T) {
	server := apitest.Answering(`{"failures":[{"arn":"arn:t3","reason":"MISSING"}],"tasks":[{
		"taskArn":"arn:t1","clusterArn":"arn:c","lastStatus":"RUNNING","desiredStatus":"STOPPED","enableExecuteCommand":true,
		"launchType":"FARGATE","platformFamily":"Linux","platformVersion":"1.4.0","createdAt":1.7e9,
		"containers":[{"name":"sshd","runtimeId":"r-1","lastStatus":"PENDING","managedAgents":[{"name":"ExecuteCommandAgent","lastStatus":"RUNNING","lastStartedAt":1.7e9}]},
		{"name":"app","runtimeId":null}]},
		{"taskArn":"arn:t2"}]}`)
	got, err := New(server.Config("eu-central-1")).DescribeTasks(t.Context(), "tools", []string{"t1", "t2", "t3"})
	want := []Task{
		{ARN: "arn:t1", Cluster: "arn:c", Status: "RUNNING", Exec: true, LaunchType: "FARGATE", Platform: "Linux", Containers: []Container{
			{Name: "sshd", Runtime: "r-1", Agents: []ManagedAgent{{Name: "ExecuteCommandAgent", Status: "RUNNING"}}}, {Name: "app"},
		}},
		{ARN: "arn:t2"},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
	}
	if call := server.Calls[0]; call.Body != `{"cluster":"tools","tasks":["t1","t2","t3"]}` || call.Header.Get("X-Amz-Target") != "AmazonEC2ContainerServiceV20141113.DescribeTasks" {
		t.Errorf("sent %s %s", call.Header.Get("X-Amz-Target"), call.Body)
	}
}

func TestErrorsHaveTheirCode(t *testing.T) {
	server := &apitest.Server{Answers: []apitest.Answer{{Status: 400, Content: `{"__type":"ServiceNotFoundException","message":"Service not found."}`}}}
	_, _, err := New(server.Config("eu-central-1")).ListTasks(t.Context(), "tools", "nobody", "")
	if awserror.Code(err) != "ServiceNotFoundException" || awserror.Message(err) != "Service not found." {
		t.Errorf("got %v", err)
	}
}
