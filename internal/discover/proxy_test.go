package discover

import (
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"
)

func TestProxyTellsHowItServes(t *testing.T) {
	bySecret, endToEnd := proxy("secret", "prx-1"), proxy("iam", "prx-2")
	bySecret.Auth = append(bySecret.Auth, types.UserAuthConfigInfo{IAMAuth: types.IAMAuthModeDisabled}, bySecret.Auth[0])
	bySecret.IdleClientTimeout, bySecret.RequireTLS, bySecret.DefaultAuthScheme = aws.Int32(1800), aws.Bool(true), aws.String("NONE")
	endToEnd.Auth, endToEnd.DefaultAuthScheme, endToEnd.RoleArn = nil, aws.String("IAM_AUTH"), aws.String("arn:aws:iam::111122223333:role/pool")
	f := finder(t, &fakeRDS{proxies: []types.DBProxy{bySecret, endToEnd}})
	for name, want := range map[string]Pool{
		"secret": {IAMAuth: "REQUIRED, DISABLED", RequireTLS: true, Idle: 30 * time.Minute},
		"iam":    {EndToEnd: true, Role: "arn:aws:iam::111122223333:role/pool"},
	} {
		db, err := f.Database(t.Context(), name, "")
		if err != nil || db.Pool != want || !db.IAM {
			t.Errorf("%s: %+v, IAM %v, %v; want %+v", name, db.Pool, db.IAM, err, want)
		}
	}
}

func TestProxyTargetsTellTheirHealth(t *testing.T) {
	f := finder(t, &fakeRDS{targets: []types.DBProxyTarget{
		{RdsResourceId: aws.String("orders"), TargetHealth: &types.TargetHealth{State: types.TargetStateAvailable}},
		{RdsResourceId: aws.String("ledger-1"), TargetHealth: &types.TargetHealth{State: types.TargetStateUnavailable, Reason: types.TargetHealthReasonAuthFailure, Description: aws.String("no\ncredentials")}},
		{RdsResourceId: aws.String("ledger")},
	}})
	got, err := f.ProxyTargets(t.Context(), "pooled")
	want := []ProxyTarget{{"orders", "AVAILABLE", ""}, {"ledger-1", "UNAVAILABLE", "AUTH_FAILURE: no; credentials"}, {Name: "ledger"}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}
