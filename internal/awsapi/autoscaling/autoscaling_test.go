package autoscaling

import (
	"slices"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/awsapi/apitest"
	"github.com/pgkeyless/pgkeyless/internal/awserror"
)

// result is an answer with groups.
func result(groups string) string {
	return `<DescribeAutoScalingGroupsResponse xmlns="http://autoscaling.amazonaws.com/doc/2011-01-01/"><DescribeAutoScalingGroupsResult>
		<AutoScalingGroups>` + groups + `</AutoScalingGroups></DescribeAutoScalingGroupsResult>
		<ResponseMetadata><RequestId>01234567-89ab-cdef-0123-456789abcdef</RequestId></ResponseMetadata></DescribeAutoScalingGroupsResponse>`
}

func TestInstancesOfAGroup(t *testing.T) {
	for name, test := range map[string]struct {
		groups string
		want   []Instance
	}{
		"several": {`<member><AutoScalingGroupName>jumps</AutoScalingGroupName>
			<Tags><member><Key>Role</Key></member></Tags>
			<Instances><member><InstanceId>i-1</InstanceId><LifecycleState>InService</LifecycleState><HealthStatus>Healthy</HealthStatus></member>
			<member><InstanceId>i-2</InstanceId><LifecycleState>Terminating</LifecycleState></member></Instances>
			<TerminationPolicies><member>Default</member></TerminationPolicies></member>`,
			[]Instance{{"i-1", "InService"}, {"i-2", "Terminating"}}},
		"none":     {`<member><AutoScalingGroupName>jumps</AutoScalingGroupName><Instances/></member>`, nil},
		"no group": {``, nil},
	} {
		server := apitest.Answering(result(test.groups))
		got, err := New(server.Config("eu-central-1")).DescribeAutoScalingGroup(t.Context(), "jump hosts")
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, test.want)
		}
		if body := server.Calls[0].Body; body != "Action=DescribeAutoScalingGroups&AutoScalingGroupNames.member.1=jump+hosts&Version=2011-01-01" {
			t.Errorf("sent %s", body)
		}
	}
}

func TestErrorsHaveTheirCode(t *testing.T) {
	server := &apitest.Server{Answers: []apitest.Answer{{Status: 403, Content: `<ErrorResponse xmlns="http://autoscaling.amazonaws.com/doc/2011-01-01/">
		<Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>`}}}
	_, err := New(server.Config("eu-central-1")).DescribeAutoScalingGroup(t.Context(), "jumps")
	if !awserror.Denied(err) || awserror.Message(err) != "no" {
		t.Errorf("got %v", err)
	}
}
