package config

import (
	"strings"
	"testing"
)

func TestWhatNamesATarget(t *testing.T) {
	arn := func(kind, name string) string {
		return "arn:aws-us-gov:rds:us-gov-west-1:111122223333:" + kind + ":" + name
	}
	tests := []struct{ arg, endpoint, ref, name string }{
		{orders, orders, "", orders},
		{orders + ":6543", orders + ":6543", "", orders},
		{"127.0.0.1", "127.0.0.1", "", "127.0.0.1"},
		{"orders-prod", "", "orders-prod", "orders-prod"},
		{"Orders2", "", "Orders2", "Orders2"},
		{strings.Repeat("a", 63), "", strings.Repeat("a", 63), strings.Repeat("a", 63)},
		{arn("db", "orders-prod"), "", arn("db", "orders-prod"), "orders-prod"},
		{arn("cluster", "orders"), "", arn("cluster", "orders"), "orders"},
		{arn("db-proxy", "prx-0123456789abcdef0"), "", arn("db-proxy", "prx-0123456789abcdef0"), "prx-0123456789abcdef0"},
		{arn("db-proxy-endpoint", "prx-endpoint-0123456789abcdef0"), "", arn("db-proxy-endpoint", "prx-endpoint-0123456789abcdef0"), "prx-endpoint-0123456789abcdef0"},
		{arn("cluster-endpoint", "analysts"), "", arn("cluster-endpoint", "analysts"), "analysts"},
		{"arn:aws:rds::111122223333:global-cluster:world", "", "arn:aws:rds::111122223333:global-cluster:world", "world"},
	}
	for _, tt := range tests {
		got, err := parseTarget(tt.arg+"?via=none", &file{})
		if err != nil || got.Endpoint != tt.endpoint || got.Ref != tt.ref || got.Name != tt.name || got.Arg() != tt.arg {
			t.Errorf("parseTarget(%q) = %+v, %v; want endpoint %q, reference %q, name %q", tt.arg, got, err, tt.endpoint, tt.ref, tt.name)
		}
	}
	for _, arg := range []string{"", "-orders", "orders-", "or--ders", "1orders", strings.Repeat("a", 64), "orders:1", "localhost:5432",
		arn("db", ""), arn("snapshot", "x"), "arn:aws:rds:Frankfurt:111122223333:db:x", "arn:aws:rds:eu-central-1:1:db:x", arn("db", strings.Repeat("a", 256))} {
		if got, err := parseTarget(arg, &file{}); err == nil {
			t.Errorf("parseTarget(%q) = %+v, want an error", arg, got)
		}
	}
}

func TestFlagsThatNameTargets(t *testing.T) {
	cfg, err := Load(Input{Targets: []string{orders}, Flags: flags("via", jump, "rds-instance", "i1?user=u", "rds-cluster", "c1"),
		Environ: []string{"PGKEYLESS_TARGET_0=" + billing, "PGKEYLESS_RDS_CLUSTER=c2"}})
	if err != nil || len(cfg.Targets) != 3 || cfg.Targets[0].Name != orders || cfg.Targets[1].Ref != "i1" || cfg.Targets[1].User != "u" || cfg.Targets[2].Ref != "c1" {
		t.Errorf("got %+v, %v; want %s, i1 for u, c1", cfg.Targets, err, orders)
	}
	cfg, err = Load(Input{Flags: flags("via", jump), Environ: []string{"PGKEYLESS_TARGET_0=" + billing, "PGKEYLESS_RDS_CLUSTER=c2"}})
	if err != nil || len(cfg.Targets) != 2 || cfg.Targets[0].Name != billing || cfg.Targets[1].Ref != "c2" {
		t.Errorf("got %+v, %v; want %s and c2", cfg.Targets, err, billing)
	}
}
