package ssm

import (
	"slices"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/awsapi/apitest"
	"github.com/pgkeyless/pgkeyless/internal/awserror"
)

func TestNodes(t *testing.T) {
	server := apitest.Answering(
		`{"InstanceInformationList":[{"InstanceId":"mi-1","Name":"box","ComputerName":"box.example.com","IPAddress":"10.0.0.1","PingStatus":"Online",
			"AgentVersion":"3.3.1142.0","PlatformName":"Amazon Linux","PlatformVersion":"2023","PlatformType":"Linux","LastPingDateTime":1.700000000123E9,"IsLatestVersion":true},
			{"InstanceId":"i-2","Name":null}],"NextToken":"n2"}`,
		`{"InstanceInformationList":[],"NextToken":""}`)
	c := New(server.Config("eu-central-1"))
	page, next, err := c.DescribeInstanceInformation(t.Context(), nil, "")
	want := []Node{
		{ID: "mi-1", Name: "box", ComputerName: "box.example.com", IP: "10.0.0.1", Ping: "Online", Agent: "3.3.1142.0", PlatformName: "Amazon Linux", PlatformVersion: "2023"},
		{ID: "i-2"},
	}
	if err != nil || next != "n2" || !slices.Equal(page, want) {
		t.Errorf("the first page: %+v, next %q, %v, want %+v", page, next, err, want)
	}
	page, next, err = c.DescribeInstanceInformation(t.Context(), []Filter{{Key: "tag:Role", Values: []string{"jump", "web"}}}, "n2")
	if err != nil || next != "" || len(page) != 0 {
		t.Errorf("the last page: %+v, next %q, %v", page, next, err)
	}
	for i, want := range []string{
		`{"MaxResults":50}`,
		`{"Filters":[{"Key":"tag:Role","Values":["jump","web"]}],"MaxResults":50,"NextToken":"n2"}`,
	} {
		if call := server.Calls[i]; call.Body != want || call.Header.Get("X-Amz-Target") != "AmazonSSM.DescribeInstanceInformation" {
			t.Errorf("call %d: %s %s, want %s", i, call.Header.Get("X-Amz-Target"), call.Body, want)
		}
	}
}

func TestErrorsHaveTheirCode(t *testing.T) {
	server := &apitest.Server{Answers: []apitest.Answer{{Status: 400, Content: `{"__type":"com.amazonaws.ssm#InvalidInstanceId","Message":"i-1"}`}}}
	_, _, err := New(server.Config("eu-central-1")).DescribeInstanceInformation(t.Context(), nil, "")
	if awserror.Code(err) != "InvalidInstanceId" || awserror.Message(err) != "i-1" {
		t.Errorf("got %v", err)
	}
}
