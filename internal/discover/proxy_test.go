package discover

import (
	"slices"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/awsapi/rds"
)

func TestProxyTellsHowItServes(t *testing.T) {
	bySecret, endToEnd := proxy("secret", "prx-1"), proxy("iam", "prx-2")
	bySecret.IAMAuth = []string{"REQUIRED", "DISABLED", "REQUIRED"}
	bySecret.IdleTimeout, bySecret.RequireTLS, bySecret.DefaultAuth = 1800, true, "NONE"
	endToEnd.IAMAuth, endToEnd.DefaultAuth, endToEnd.Role = nil, "IAM_AUTH", "arn:aws:iam::111122223333:role/pool"
	f := finder(t, &fakeRDS{proxies: []rds.Proxy{bySecret, endToEnd}})
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
	f := finder(t, &fakeRDS{targets: []rds.ProxyTarget{
		{Name: "orders", State: "AVAILABLE"},
		{Name: "ledger-1", State: "UNAVAILABLE", Reason: "AUTH_FAILURE", Description: "no\ncredentials"},
		{Name: "ledger"},
	}})
	got, err := f.ProxyTargets(t.Context(), "pooled")
	want := []ProxyTarget{{"orders", "AVAILABLE", ""}, {"ledger-1", "UNAVAILABLE", "AUTH_FAILURE: no; credentials"}, {Name: "ledger"}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

// Of a cluster, RDS lists the cluster itself beside its instances.
func TestProxyTargetsAreInstancesRatherThanTheirCluster(t *testing.T) {
	cluster := rds.ProxyTarget{Name: "ledger", Type: "TRACKED_CLUSTER"}
	instance := rds.ProxyTarget{Name: "ledger-1", Type: "RDS_INSTANCE", State: "AVAILABLE"}
	for _, test := range []struct {
		targets []rds.ProxyTarget
		want    []ProxyTarget
	}{
		{[]rds.ProxyTarget{cluster, instance}, []ProxyTarget{{"ledger-1", "AVAILABLE", ""}}},
		{[]rds.ProxyTarget{cluster}, []ProxyTarget{{Name: "ledger"}}},
	} {
		got, err := finder(t, &fakeRDS{targets: test.targets}).ProxyTargets(t.Context(), "pooled")
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("got %q, %v; want %q", got, err, test.want)
		}
	}
}
