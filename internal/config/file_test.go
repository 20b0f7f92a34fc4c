package config

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// writeFile makes a file that its owner alone may write, and its directories.
func writeFile(t *testing.T, elem ...string) string {
	t.Helper()
	path, text := filepath.Join(elem[:len(elem)-1]...), elem[len(elem)-1]
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestWhereConfigFilesAreFound(t *testing.T) {
	tests := []struct {
		name  string
		files []string // beneath a directory that has home/work/deep
		dir   string
		want  string
		err   string
	}{
		{"none", nil, "home/work/deep", "", ""},
		{"here", []string{"home/work/deep/pgkeyless.yaml", "home/work/pgkeyless.yaml"}, "home/work/deep", "home/work/deep/pgkeyless.yaml", ""},
		{"above", []string{"home/work/.pgkeyless.yml", "home/pgkeyless.yaml"}, "home/work/deep", "home/work/.pgkeyless.yml", ""},
		{"at home", []string{"home/pgkeyless.yaml", "user/pgkeyless/config.yaml"}, "home/work", "home/pgkeyless.yaml", ""},
		{"not above home", []string{"pgkeyless.yaml"}, "home/work", "", ""},
		{"outside home up to the root", []string{"pgkeyless.yaml"}, "elsewhere", "pgkeyless.yaml", ""},
		{"the user's own", []string{"user/pgkeyless/config.yaml"}, "home/work", "user/pgkeyless/config.yaml", ""},
		{"the user's own, other ending", []string{"user/pgkeyless/config.yml"}, "home/work", "user/pgkeyless/config.yml", ""},
		{"a directory of that name", []string{"home/work/pgkeyless.yaml/x", "home/pgkeyless.yaml"}, "home/work", "home/pgkeyless.yaml", ""},
		{"two in one place", []string{"home/work/pgkeyless.yaml", "home/work/.pgkeyless.yaml"}, "home/work", "", "two config files"},
		{"two of the user's", []string{"user/pgkeyless/config.yaml", "user/pgkeyless/config.yml"}, "home/work", "", "two config files"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			for _, f := range tt.files {
				writeFile(t, root, filepath.FromSlash(f), "quiet: true\n")
			}
			in := Input{Places: Places{
				Dir:  filepath.Join(root, filepath.FromSlash(tt.dir)),
				Home: filepath.Join(root, "home"),
				User: filepath.Join(root, "user"),
			}}
			run, err := LoadRun(in)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("got %v, want %q", err, tt.err)
				}
				return
			}
			want := ""
			if tt.want != "" {
				want = filepath.Join(root, filepath.FromSlash(tt.want))
			}
			if err != nil || run.ConfigFile != want || run.Quiet != (want != "") {
				t.Errorf("got %q, %v; want %q", run.ConfigFile, err, want)
			}
		})
	}
}

func TestNamedConfigFile(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir, "pgkeyless.yaml", "quiet: true\n")
	named := writeFile(t, dir, "named.yaml", "debug-logs: true\n")
	places := Places{Dir: dir}
	tests := []struct {
		name string
		in   Input
		want Run
		err  string
	}{
		{"flag", Input{Flags: flags("config-file", named)}, withDefaults(Run{ConfigFile: named, DebugLogs: true}), ""},
		{"variable", Input{Environ: []string{"PGKEYLESS_CONFIG_FILE=" + named}}, withDefaults(Run{ConfigFile: named, DebugLogs: true}), ""},
		{"flag over variable", Input{Flags: flags("config-file", named), Environ: []string{"PGKEYLESS_CONFIG_FILE=/nonexistent"}}, withDefaults(Run{ConfigFile: named, DebugLogs: true}), ""},
		{"none", Input{Flags: flags("config-file", "none")}, withDefaults(Run{}), ""},
		{"not there", Input{Flags: flags("config-file", named+"x")}, Run{}, "config file " + named + "x: " + syscall.ENOENT.Error()},
		{"a directory", Input{Flags: flags("config-file", dir)}, Run{}, "config file " + dir + ": "},
		{"too long", Input{Flags: flags("config-file", writeFile(t, dir, "long.yaml", strings.Repeat("#\n", maxFile/2+1)))}, Run{}, "is longer than 256 KiB"},
		{"empty", Input{Flags: flags("config-file", "")}, Run{}, "--config-file: the value is empty"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.in.Places = places
			run, err := LoadRun(tt.in)
			if tt.err != "" {
				e, ok := err.(*Error)
				if !ok || !strings.Contains(e.Error(), tt.err) || e.Hint() == "" && tt.name != "empty" {
					t.Errorf("got %v, want %q with a hint", err, tt.err)
				}
				return
			}
			run.MaxSigtermDelay = 0
			if err != nil || run != tt.want {
				t.Errorf("got %+v, %v; want %+v", run, err, tt.want)
			}
		})
	}
}

// Who may write where others work could otherwise choose their databases.
func TestFilesOfOthersAreNotReadUnnamed(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no owner and mode to go by on Windows: see isOwn")
	}
	dir := t.TempDir()
	path := writeFile(t, dir, "pgkeyless.yaml", "quiet: true\n")
	refused := func(what string) {
		t.Helper()
		_, err := LoadRun(Input{Places: Places{Dir: dir}})
		if e, ok := err.(*Error); !ok || !strings.Contains(e.Error(), "belongs to another user, or others may write it") || !strings.Contains(e.Hint(), "--config-file "+path) {
			t.Errorf("%s: got %v, want a refusal", what, err)
		}
		if run, err := LoadRun(Input{Places: Places{Dir: dir}, Flags: flags("config-file", path)}); err != nil || !run.Quiet {
			t.Errorf("%s: named it gives %+v, %v", what, run, err)
		}
	}
	if err := os.Chmod(path, 0o646); err != nil {
		t.Fatal(err)
	}
	refused("writable for all")
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if run, err := LoadRun(Input{Places: Places{Dir: dir}}); err != nil || !run.Quiet {
		t.Errorf("one's own gives %+v, %v", run, err)
	}
	if os.Geteuid() == 0 { // nobody else may give files away
		if err := os.Chown(path, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		refused("another user's")
	}
}

// withDefaults is r with the defaults that are not zero values.
func withDefaults(r Run) Run {
	d := defaultRun()
	r.PrometheusNamespace, r.HTTPAddress, r.HTTPPort, r.AdminPort, r.Auth, r.Kubernetes = d.PrometheusNamespace, d.HTTPAddress, d.HTTPPort, d.AdminPort, d.Auth, d.Kubernetes
	return r
}
