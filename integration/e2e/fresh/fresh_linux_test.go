//go:build linux && fresh

package fresh

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// release is the Debian: an old one, of an old systemd.
const release = "bookworm"

// debian is a directory that a Debian is installed in.
type debian struct {
	t   *testing.T
	dir string
}

// install installs the smallest one, and what somebody has who uses psql.
func install(t *testing.T) debian {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	dir := filepath.Join(t.TempDir(), "debian")
	cmd := exec.CommandContext(ctx, "mmdebstrap", "--mode=root", "--variant=minbase", "--dpkgopt=force-unsafe-io", "--include=ca-certificates,postgresql-client,systemd", release, dir)
	cmd.WaitDelay = time.Minute
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it has mounted things
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("mmdebstrap, which scripts/install-deps --release installs: %v\n%s", err, out)
	}
	return debian{t, dir}
}

// packagePath is where the package is, with all else of the release.
func packagePath(t *testing.T) string {
	t.Helper()
	deb := os.Getenv("PGKEYLESS_DEB")
	if _, err := os.Stat(deb); err != nil {
		t.Fatalf("no package in PGKEYLESS_DEB: %v; scripts/release --check makes it", err)
	}
	return deb
}

// command is one in there, of root or of ada.
func (d debian) command(uid uint32, env []string, name string, args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(d.t.Context(), 2*time.Minute)
	d.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append([]string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C"}, env...)
	d.confine(cmd, uid)
	return cmd
}

func (d debian) confine(cmd *exec.Cmd, uid uint32) {
	cmd.Dir = home(uid)
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: d.dir, Credential: &syscall.Credential{Uid: uid, Gid: uid}}
}

// ada is a user with nothing but a home directory.
const ada = 1000

func home(uid uint32) string {
	if uid == ada {
		return "/home/ada"
	}
	return "/root"
}

// sh runs a line of a shell as root.
func (d debian) sh(line string) string {
	d.t.Helper()
	out, err := d.command(0, []string{"HOME=/root", "XDG_RUNTIME_DIR=/tmp"}, "/bin/sh", "-ec", line).CombinedOutput()
	if err != nil {
		d.t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return string(out)
}

func (d debian) read(path string) []byte {
	d.t.Helper()
	b, err := os.ReadFile(filepath.Join(d.dir, path))
	if err != nil {
		d.t.Fatal(err)
	}
	return b
}

// copyIn copies a file to a path in there, for ada.
func (d debian) copyIn(from, to string) {
	d.t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		to = filepath.Join(d.dir, to)
		err = os.WriteFile(to, b, 0o644)
	}
	if err == nil {
		err = os.Chown(to, ada, ada)
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

// A stranger installs the package as the README says, answers what init asks, and is in
// psql.
func TestPackageTakesAStrangerToPsql(t *testing.T) {
	deb := packagePath(t)
	d := install(t)
	d.copyIn(deb, filepath.Join("root", filepath.Base(deb)))
	apt := strings.NewReplacer("sudo ", "", "_amd64.deb", "*.deb").Replace(readmeLine(t, "Install", "sudo apt install "))
	d.sh(apt)
	checkFiles(d)

	d.sh("useradd --uid 1000 --create-home --shell /bin/bash ada")
	d.copyIn(rig.Shared.Database.CAFile(), "home/ada/ca.pem")
	c := rig.OpenClinic(t, nil, func(cfg *awsemu.Config) { cfg.Regions = []string{lab.Region} })
	env := append(rig.Shared.Keys.Env(c.AWS.URL()), "HOME=/home/ada")
	s := rig.OnScreen(t, d.command(ada, append(env, "TERM=xterm", "NO_COLOR=1"), "/usr/bin/pgkeyless", "init", "--ca-file", "ca.pem"))
	s.AnswerInit()
	if code := s.End(); code != 0 {
		t.Fatalf("init ends with %d:\n%s", code, s.Text())
	}

	// What it wrote is what pgkeyless serves, whoever's database it is.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	proxy, err := lab.StartProxy(ctx, lab.Command{Binary: "/usr/bin/pgkeyless", Args: []string{"--port", "0"}, Env: env, Change: func(cmd *exec.Cmd) { d.confine(cmd, ada) }})
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(proxy.Addresses()[0])
	if err != nil {
		t.Fatal(err)
	}
	psql := d.command(ada, []string{"HOME=/home/ada", "PGPORT=" + port}, "/bin/sh", "-c", readmeLine(t, "Quick start", "psql ")+` -XAtw -c "select current_user"`)
	out, err := psql.CombinedOutput()
	if got := strings.TrimSpace(string(out)); err != nil || got != pgserver.AppUser {
		t.Errorf("psql says %q, %v; pgkeyless:\n%s", got, err, proxy.Output())
	}
	if err := proxy.Signal(os.Interrupt); err != nil {
		t.Error(err)
	}
	if code, err := proxy.Wait(ctx); err != nil || code != 130 {
		proxy.Kill()
		t.Errorf("pgkeyless ends with %d, %v", code, err)
	}
	rig.CheckOutput(t, proxy.Output())

	d.sh("apt-get purge -y pgkeyless")
	if left := d.sh("find /usr /etc /var/lib/systemd -name '*pgkeyless*'"); left != "" {
		t.Errorf("the package leaves behind:\n%s", left)
	}
}

// checkFiles looks at what the package brought.
func checkFiles(d debian) {
	d.t.Helper()
	if changed := d.sh("dpkg --verify pgkeyless"); changed != "" {
		d.t.Errorf("dpkg finds files that are not those of the package:\n%s", changed)
	}
	if said := d.sh("pgkeyless version"); !strings.HasPrefix(said, "pgkeyless v") || !strings.Contains(said, "(commit ") {
		d.t.Errorf("pgkeyless version says %q", said)
	}
	d.sh("systemd-analyze --user verify pgkeyless.service")
	d.sh("bash -n /usr/share/bash-completion/completions/pgkeyless")
	if fish := d.read("usr/share/fish/vendor_completions.d/pgkeyless.fish"); !bytes.Contains(fish, []byte("complete -c pgkeyless")) {
		d.t.Errorf("the completion for fish is\n%s", fish)
	}
	if zsh := d.read("usr/share/zsh/vendor-completions/_pgkeyless"); !bytes.HasPrefix(zsh, []byte("#compdef pgkeyless")) {
		d.t.Errorf("the completion for zsh is\n%s", zsh)
	}
	for path, want := range map[string]string{"man/man1/pgkeyless.1.gz": ".SH SYNOPSIS", "man/man1/pgkeyless-connect.1.gz": ".SH SYNOPSIS", "doc/pgkeyless/changelog.gz": "# Changelog"} {
		r, err := gzip.NewReader(bytes.NewReader(d.read(filepath.Join("usr/share", path))))
		if err != nil {
			d.t.Errorf("%s: %v", path, err)
			continue
		}
		if text, err := io.ReadAll(r); err != nil || !bytes.Contains(text, []byte(want)) {
			d.t.Errorf("%s has no %q, %v", path, want, err)
		}
	}
}
