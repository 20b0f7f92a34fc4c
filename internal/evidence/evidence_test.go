package evidence

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/smithy-go"

	"github.com/pgkeyless/pgkeyless/internal/credentials"
)

// fakeIAM knows one role, with a path, and what it may do.
type fakeIAM struct {
	allowed []string
	refuse  string // code for every call
	asked   []string
}

const rolePath = "arn:aws:iam::111122223333:role/team/developer"

func (f *fakeIAM) GetRole(_ context.Context, name string) (string, error) {
	f.asked = append(f.asked, "GetRole "+name)
	return rolePath, nil
}

func (f *fakeIAM) SimulatePrincipalPolicy(_ context.Context, source string, q Question, _ []ContextEntry, _ string) ([]Evaluation, string, error) {
	f.asked = append(f.asked, "Simulate "+source)
	if f.refuse != "" {
		return nil, "", &smithy.GenericAPIError{Code: f.refuse, Message: "secret words"}
	}
	if strings.Contains(source, ":role/developer") {
		return nil, "", &smithy.GenericAPIError{Code: "NoSuchEntity"}
	}
	var page []Evaluation
	for _, action := range q.Actions {
		for _, resource := range q.Resources {
			decision := "implicitDeny"
			if slices.Contains(f.allowed, action) {
				decision = "allowed"
			}
			page = append(page, Evaluation{action, resource, decision})
		}
	}
	return page, "", nil
}

func TestSimulateFindsTheRoleBehindASession(t *testing.T) {
	ada := credentials.Caller{ARN: "arn:aws:sts::111122223333:assumed-role/developer/ada", Account: "111122223333", UserID: "AROA:ada"}
	f := &fakeIAM{allowed: []string{"ssm:StartSession"}}
	got, err := Simulate(t.Context(), f, ada, []Question{
		{[]string{"ssm:StartSession"}, []string{"arn:i", "arn:d"}}, {[]string{"rds-db:connect"}, []string{"arn:u"}},
	})
	if err != nil || !slices.Equal(got, []Verdict{{"rds-db:connect", "arn:u", false}}) {
		t.Errorf("denied %v, %v", got, err)
	}
	want := []string{"Simulate arn:aws:iam::111122223333:role/developer", "GetRole developer", "Simulate " + rolePath, "Simulate " + rolePath}
	if !slices.Equal(f.asked, want) {
		t.Errorf("asked %q, want %q", f.asked, want)
	}
}

func TestSimulateThatIsRefused(t *testing.T) {
	user := credentials.Caller{ARN: "arn:aws-us-gov:iam::111122223333:user/ada"}
	for code, notPermitted := range map[string]bool{"AccessDenied": true, "AccessDeniedException": true, "Throttling": false} {
		_, err := Simulate(t.Context(), &fakeIAM{refuse: code}, user, []Question{{[]string{"a:b"}, []string{"arn:x"}}})
		if err == nil || errors.Is(err, ErrNotPermitted) != notPermitted || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "iam:SimulatePrincipalPolicy") {
			t.Errorf("%s: %v", code, err)
		}
	}
	if _, err := Simulate(t.Context(), &fakeIAM{}, credentials.Caller{ARN: "arn:aws:iam::111122223333:root"}, nil); err == nil {
		t.Error("the root user has policies that can be simulated")
	}
}

type fakeCloudWatch map[string]float64

func (f fakeCloudWatch) GetMetricData(_ context.Context, q MetricQuery, token string) ([]MetricValues, string, error) {
	if q.Dimension != "DBClusterIdentifier" || q.Identifier != "sales" || q.End.Sub(q.Start) != Window {
		return nil, "", fmt.Errorf("query for %+v", q)
	}
	if token == "" { // a second page has another value of each
		token = "more"
	} else {
		token = ""
	}
	var page []MetricValues
	for _, name := range q.Names {
		r := MetricValues{Name: name}
		if v, ok := f[name]; ok && token != "" {
			r.Values = []float64{v}
		} else if ok {
			r.Values = []float64{1}
		}
		page = append(page, r)
	}
	return page, token, nil
}

func TestLoginMetrics(t *testing.T) {
	got, err := LoginMetrics(t.Context(), fakeCloudWatch{
		"IamDbAuthConnectionSuccess": 9, "IamDbAuthConnectionFailure": 6,
		"IamDbAuthConnectionFailureInvalidToken": 1, "IamDbAuthConnectionFailureInsufficientPermissions": 3,
	}, "DBClusterIdentifier", "sales")
	want := "in the last hour 10 IAM logins succeeded and 7 failed: 4 × FailureInsufficientPermissions; 2 × FailureInvalidToken"
	if err != nil || got.String() != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	if got, err := LoginMetrics(t.Context(), fakeCloudWatch{}, "DBClusterIdentifier", "sales"); err != nil || !strings.Contains(got.String(), "no IAM login counted") {
		t.Errorf("nothing counted: %q, %v", got, err)
	}
}
