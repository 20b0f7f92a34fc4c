package config

import (
	"errors"
	"strings"
	"testing"
)

func TestSharedPort(t *testing.T) {
	cfg, err := Load(Input{Targets: []string{"orders", "billing", "stock?port=5432&address=127.0.0.2&unix-socket=none", "own?port=6000"}, Flags: map[string]string{"via": "none", "shared-port": "true", "default-target": "Billing"}})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		shared bool
		port   int
	}{{true, 5432}, {true, 5432}, {false, 5432}, {false, 6000}} {
		if got := cfg.Targets[i]; got.Shared != want.shared || got.Port != want.port {
			t.Errorf("%s: shared %t, port %d; want %+v", got.Name, got.Shared, got.Port, want)
		}
	}
}

func TestSharedPortIsRefused(t *testing.T) {
	for _, tt := range []struct {
		targets, flags string
		want           string
	}{
		{"orders orders", "shared-port=true", `two targets named "orders"`},
		{"orders Orders", "shared-port=true", `two targets named "Orders"`},
		{"orders billing?address=127.0.0.2", "shared-port=true", "different addresses"},
		{"orders billing", "shared-port=true default-target=stock", `no target "stock" on the shared port`},
		{"orders billing?port=6000", "shared-port=true default-target=billing", `no target "billing" on the shared port`},
		{"orders billing", "default-target=orders", "says nothing without shared-port"},
		{"orders billing?port=5432", "shared-port=true", "both want port 5432"},
	} {
		flags := map[string]string{"via": "none"}
		for _, f := range strings.Fields(tt.flags) {
			name, v, _ := strings.Cut(f, "=")
			flags[name] = v
		}
		_, err := Load(Input{Targets: strings.Fields(tt.targets), Flags: flags})
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(e.Error(), tt.want) || e.Hint() == "" {
			t.Errorf("%s with %s: %v, want %q and a hint", tt.targets, tt.flags, err, tt.want)
		}
	}
}
