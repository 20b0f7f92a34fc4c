package service

import (
	"encoding/xml"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the files in deploy")

// The files in deploy are what the command prints.
func TestDeployHasTheSameText(t *testing.T) {
	const program = "/usr/local/bin/pgkeyless"
	for name, want := range map[string]string{
		"systemd/pgkeyless.service":       SystemdUnit(Unit{Program: program, System: true}),
		"systemd/user/pgkeyless.service":  SystemdUnit(Unit{Program: program}),
		"systemd/pgkeyless-orders.socket": SocketUnit(Socket{Target: "orders", Addresses: []string{"127.0.0.1:5433", "[::1]:5433"}}),
		// Its systemd may be an old one, for which the text is good with a new one too.
		"packages/pgkeyless.service":  SystemdUnit(Unit{Program: "/usr/bin/pgkeyless", Packaged: true, Systemd: notifyReload - 1}),
		"launchd/" + Label + ".plist": LaunchAgent(Unit{Program: program, Home: "/Users/you"}),
	} {
		path := filepath.Join("../../deploy", name)
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != want {
			t.Errorf("deploy/%s is not what the command prints (%v): run go test ./internal/service -update", name, err)
		}
	}
}

// A path may hold whatever a file's name may.
func TestOddPaths(t *testing.T) {
	unit := SystemdUnit(Unit{Program: "/opt/my tools/pgkeyless", Config: `/home/a"b/50% $HOME\x/ü.yaml`, Systemd: 252})
	want := `ExecStart="/opt/my tools/pgkeyless" serve --config-file "/home/a\"b/50%% $$HOME\\x/ü.yaml"`
	if !strings.Contains(unit, want+"\n") {
		t.Errorf("no line %s in\n%s", want, unit)
	}
	agent := LaunchAgent(Unit{Program: "/opt/a&b/pgkeyless", Config: "/Users/<x>/c.yaml", Home: "/Users/<x>"})
	var words []string
	for d := xml.NewDecoder(strings.NewReader(agent)); ; {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if text, ok := token.(xml.CharData); ok && strings.TrimSpace(string(text)) != "" {
			words = append(words, string(text))
		}
	}
	all := strings.Join(words, "\n")
	for _, want := range []string{"/opt/a&b/pgkeyless\nserve\n--config-file\n/Users/<x>/c.yaml\n", "/Users/<x>/Library/Logs/pgkeyless.log"} {
		if !strings.Contains(all, want) {
			t.Errorf("the agent lacks %q:\n%s", want, agent)
		}
	}
	if got, want := SocketName("orders.abc/x y"), "pgkeyless-orders.abc_x_y"; got != want {
		t.Errorf("SocketName is %q, want %q", got, want)
	}
}

// Type=notify-reload is for systemd that knows it; an older one is told how to reload.
func TestUnitFitsTheVersion(t *testing.T) {
	for version, reload := range map[int]bool{0: true, 252: false, 253: true, 257: true} {
		unit := SystemdUnit(Unit{Program: "/p", Systemd: version})
		if strings.Contains(unit, "Type=notify-reload\n") != reload || strings.Contains(unit, "Type=notify\nExecReload=/bin/sh -c 'kill -HUP $MAINPID'\n") == reload {
			t.Errorf("systemd %d gets\n%s", version, unit)
		}
	}
}
