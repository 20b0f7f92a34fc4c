package cluster

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/rig"
)

// The images that the manifests name.
const (
	image     = "ghcr.io/pgkeyless/pgkeyless:0.1.0"
	shopImage = "registry.example.com/shop:1.0.0"
)

const (
	// limit bounds whatever the tests wait for.
	limit = 90 * time.Second
	// commandLimit bounds a command of podman's, which may copy an image or wait for a
	// container for limit.
	commandLimit = 3 * limit
)

// podman is an engine with its images, and containers on one machine of a network.
type podman struct {
	t    *testing.T
	dir  string
	host *rig.Host
}

// limits are those of the containers. Podman would raise the caller's own, which takes a
// right that containers of CI lack.
const limits = "[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\n"

// startPodman has both images, and no container.
func startPodman(t *testing.T, host *rig.Host) *podman {
	t.Helper()
	archive := buildImage(t)
	// Not t.TempDir: paths of sockets are short.
	dir, err := os.MkdirTemp("", "pgk-")
	if err != nil {
		t.Fatal(err)
	}
	p := &podman{t, dir, host}
	t.Cleanup(func() {
		if t.Failed() {
			for _, container := range strings.Fields(p.run("ps", "--all", "--format", "{{.Names}}")) {
				t.Logf("%s printed:\n%s", container, p.logs(container))
			}
		}
		p.run("pod", "rm", "--all", "--force", "--time", "0")
		p.run("rm", "--all", "--force", "--time", "0")
		p.run("volume", "prune", "--force")
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	p.write("containers.conf", limits)
	if err := os.Chmod(dir, 0o755); err != nil { // for the users of containers
		t.Fatal(err)
	}
	p.run("load", "--quiet", "--input", archive)
	p.run("tag", "localhost/pgkeyless:latest", image)
	p.run("import", "--quiet", "--change", `ENTRYPOINT ["/shop"]`, p.buildShop(), shopImage)
	return p
}

var (
	building   sync.Once
	imageError error
)

// buildImage runs scripts/build-image, once for all tests.
func buildImage(t *testing.T) (archive string) {
	t.Helper()
	const root = "../../.."
	building.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute) // it compiles pgkeyless
		defer cancel()
		if out, err := exec.CommandContext(ctx, root+"/scripts/build-image").CombinedOutput(); err != nil {
			imageError = fmt.Errorf("scripts/build-image: %w: %s", err, out)
		}
	})
	if imageError != nil {
		t.Fatal(imageError)
	}
	return root + "/dist/pgkeyless-image.tar"
}

// buildShop is an archive with the application and nothing else.
func (p *podman) buildShop() string {
	p.t.Helper()
	binary := filepath.Join(p.dir, "shop")
	cmd := exec.Command("go", "build", "-trimpath", "-o", binary, "./shop")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		p.t.Fatalf("%v: %s", err, out)
	}
	content, err := os.ReadFile(binary)
	if err != nil {
		p.t.Fatal(err)
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	err = w.WriteHeader(&tar.Header{Name: "shop", Mode: 0o755, Size: int64(len(content))})
	if err == nil {
		_, err = w.Write(content)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return p.write("shop.tar", archive.String())
}

func (p *podman) write(name, text string) string {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return path
}

// try runs a command of podman's on the machine, and returns what it prints.
func (p *podman) try(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), commandLimit)
	defer cancel()
	at := func(name string) string { return filepath.Join(p.dir, name) }
	cmd := exec.CommandContext(ctx, "podman", append([]string{"--root", at("root"), "--runroot", at("run"), "--tmpdir", at("tmp"),
		// What works in a container as well: no overlay, no systemd; crun refuses the
		// cgroups of some machines.
		"--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--runtime", "runc", "--events-backend", "file"}, args...)...)
	cmd.Env = append(os.Environ(), "CONTAINERS_CONF="+at("containers.conf"))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	p.host.On(cmd)
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("podman %s: %w: %s%s", args[0], err, stdout.String(), stderr.String())
	}
	return strings.TrimSpace(stdout.String()), nil
}

func (p *podman) run(args ...string) string {
	p.t.Helper()
	out, err := p.try(args...)
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

// create makes a pod of manifests, and starts nothing yet. The pod has the machine's
// network, as asPod says.
func (p *podman) create(manifests string) {
	p.t.Helper()
	p.run("kube", "play", "--start=false", "--log-driver=k8s-file", p.write("play.yaml", manifests))
}

// start starts a container of a pod.
func (p *podman) start(container string) { p.t.Helper(); p.run("start", container) }

// stop is how the kubelet ends a container: SIGTERM, and SIGKILL after the grace period.
func (p *podman) stop(container string, grace time.Duration) (code string) {
	p.t.Helper()
	p.run("stop", "--time", fmt.Sprint(int(grace.Seconds())), container)
	return p.exit(container)
}

// exit waits for a container's end, and returns its code.
func (p *podman) exit(container string) string { p.t.Helper(); return p.run("wait", container) }

func (p *podman) inspect(container, format string) string {
	p.t.Helper()
	return p.run("inspect", "--format", format, container)
}

// logs are what a container has printed so far.
func (p *podman) logs(container string) string {
	p.t.Helper()
	text, err := os.ReadFile(p.inspect(container, "{{.HostConfig.LogConfig.Path}}"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // one that never started has none
		p.t.Fatal(err)
	}
	return string(text)
}

// probe asks a probe at the machine's address, as the kubelet does.
func (p *podman) probe(path string) (status int, body string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(p.host.Address, "9090")+path, nil)
	if err != nil {
		return 0, "", err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text), err
}

// await asks again until done: what it waits for has no other sign.
func (p *podman) await(what string, done func() bool) {
	p.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(limit); !done(); {
		select {
		case <-tick.C:
		case <-deadline:
			p.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// awaitProbe waits until a probe has this status.
func (p *podman) awaitProbe(path string, want int) {
	p.t.Helper()
	p.await(fmt.Sprintf("%d of %s", want, path), func() bool {
		status, _, err := p.probe(path)
		return err == nil && status == want
	})
}
