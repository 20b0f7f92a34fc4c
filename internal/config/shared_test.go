package config

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
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
		{"orders billing", "default-target=orders", "has no effect without shared-port"},
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

func TestDefaultTargetIsToldWhereItStands(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pgkeyless.yaml")
	const targets = "defaults: {via: none}\ntargets: {orders: {}, billing: {}}\n"
	for _, tt := range []struct{ name, text, flag, want, hint string }{
		{"in the file", "shared-port: true\ndefault-target: oders\n" + targets, "", path + `:2: default-target: no target "oders" on the shared port`, "did you mean orders?"},
		{"far from all", "shared-port: true\ndefault-target: stock\n" + targets, "", path + `:2: default-target: no target "stock" on the shared port`, "name one of orders, billing"},
		{"by flag", "shared-port: true\n" + targets, "biling", `--default-target: no target "biling" on the shared port`, "did you mean billing?"},
		{"without a shared port", "default-target: orders\n" + targets, "", path + ":1: default-target: has no effect without shared-port", "add --shared-port"},
		{"with ports alone", "shared-port: true\ndefault-target: orders\ndefaults: {via: none}\ntargets: {orders: {port: 6000}}\n", "",
			path + `:2: default-target: no target "orders" on the shared port: all have ports of their own`, "leave it out"},
	} {
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		flags := map[string]string{"config-file": path}
		if tt.flag != "" {
			flags["default-target"] = tt.flag
		}
		_, err := Load(Input{Flags: flags})
		var e *Error
		if !errors.As(err, &e) || e.Error() != tt.want || !strings.Contains(e.Hint(), tt.hint) {
			t.Errorf("%s: %v (%s), want %s (%s)", tt.name, err, e.Hint(), tt.want, tt.hint)
		}
	}
}

// Without a port there is the number in a socket's name, which is counted as ports are.
func TestPortNone(t *testing.T) {
	for _, tt := range []struct {
		targets, flags string
		want           string // NUMBER, with "-" in front where there is no port and "s" behind where it is shared
	}{
		{"orders", "port=none", "-5432"},
		{"orders", "port=off", "-5432"},
		{"orders billing", "port=none", "-5432 -5433"},
		{"orders?port=none billing", "", "-5432 5433"},
		{"orders billing?port=none stock?port=5433", "", "5432 -5434 5433"},
		{"orders?port=6000 billing", "port=none", "6000 -5432"},
		{"orders?port=none", "port=0", "-5432"},
		{"orders?port=none", "port=6000", "-6000"},
		{"orders billing", "port=none shared-port=true", "-5432s -5432s"},
		{"orders billing?port=none", "shared-port=true", "5432s -5433"},
	} {
		flags := map[string]string{"via": "none"}
		for _, f := range strings.Fields(tt.flags) {
			name, v, _ := strings.Cut(f, "=")
			flags[name] = v
		}
		cfg, err := Load(Input{Targets: strings.Fields(tt.targets), Flags: flags})
		if err != nil {
			t.Errorf("%s with %s: %v", tt.targets, tt.flags, err)
			continue
		}
		var got []string
		for _, target := range cfg.Targets {
			word := strconv.Itoa(target.Port)
			if target.NoTCP {
				word = "-" + word
			}
			if target.Shared {
				word += "s"
			}
			got = append(got, word)
			for _, set := range target.Settings() {
				if set.Name == "port" && (set.Value == PortNone) != target.NoTCP {
					t.Errorf("%s with %s: shown as port %s", tt.targets, tt.flags, set.Value)
				}
			}
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s with %s: %v, want %s", tt.targets, tt.flags, got, tt.want)
		}
	}
	_, err := Load(Input{Targets: []string{"orders"}, Flags: map[string]string{"via": "none", "port": "none", "unix-socket": "none"}})
	var e *Error
	if !errors.As(err, &e) || !strings.Contains(e.Error(), "no port and no Unix socket") || e.Hint() == "" {
		t.Errorf("nowhere to listen: %v", err)
	}
}
