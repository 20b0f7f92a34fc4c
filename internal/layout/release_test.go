package layout

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// files are the project's texts under dirs, which are relative to its root.
func files(t *testing.T, dirs ...string) (found []string) {
	t.Helper()
	for _, dir := range dirs {
		err := filepath.WalkDir(filepath.Join("../..", dir), func(path string, entry fs.DirEntry, err error) error {
			if err == nil && !entry.IsDir() {
				found = append(found, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

var (
	released = regexp.MustCompile(`(?m)^## (\d+\.\d+\.\d+) `)
	// What names a release: the image, the Go command, a remote base, and the files of Helm
	// and kustomize.
	namesRelease = regexp.MustCompile(`ghcr\.io/pgkeyless/pgkeyless:v?([\w.-]*\w)|cmd/pgkeyless@v([\w.-]*\w)|pgkeyless//\S*ref=v([\w.-]*\w)|(?m:^(?:version|appVersion|    version|    newTag): ([\w.-]*\w))`)
)

// TestFilesNameTheNewestRelease: whoever copies a file gets the release that the changelog
// tells of.
func TestFilesNameTheNewestRelease(t *testing.T) {
	newest := released.FindStringSubmatch(read(t, "../../CHANGELOG.md"))
	if newest == nil {
		t.Fatal("CHANGELOG.md has no heading of a release")
	}
	named := map[string]int{}
	for _, path := range files(t, "deploy", "docs", "README.md", "integration/e2e/cluster") {
		if strings.HasPrefix(filepath.ToSlash(path), "../../docs/reference/") {
			continue // generated
		}
		for _, m := range namesRelease.FindAllStringSubmatch(read(t, path), -1) {
			version := strings.Join(m[1:], "")
			if version == "VERSION" || version == "latest" || strings.HasPrefix(m[0], "version") && !strings.Contains(path, "helm") { // the chart of a user's
				continue
			}
			named[strings.TrimPrefix(filepath.ToSlash(path), "../../")]++
			if version != newest[1] {
				t.Errorf("%s names %s, and the newest release of CHANGELOG.md is %s: %q", path, version, newest[1], m[0])
			}
		}
	}
	for path, want := range map[string]int{
		"deploy/helm/pgkeyless/Chart.yaml": 2, "deploy/kustomize/base/kustomization.yaml": 1, "deploy/kustomize/overlays/production/kustomization.yaml": 1,
		"deploy/kubernetes/sidecar.yaml": 1, "deploy/kubernetes/job.yaml": 1, "deploy/ecs/sidecar.json": 1, "deploy/ecs/job.json": 1, "deploy/ecs/gateway.json": 1,
		"deploy/compose/docker-compose.yaml": 1, "deploy/nomad/shop.nomad.hcl": 2, "deploy/github/migrate.yaml": 1, "docs/howto/kubernetes.md": 1,
		"deploy/check/pods_linux_test.go": 1, "deploy/check/testdata/shop/Chart.yaml": 1, "integration/e2e/cluster/podman_linux_test.go": 1,
	} {
		if named[path] < want {
			t.Errorf("%s names a release %d times, want %d", path, named[path], want)
		}
	}
}

// TestScriptsThatAreNamedExist looks where people and programs are sent to one.
func TestScriptsThatAreNamedExist(t *testing.T) {
	names := regexp.MustCompile(`\bscripts/([a-z][a-z-]*)`)
	looked := 0
	for _, path := range files(t, ".github", ".goreleaser.yaml", "scripts", "docs", "deploy", "README.md", "CONTRIBUTING.md", "Dockerfile") {
		for _, m := range names.FindAllStringSubmatch(read(t, path), -1) {
			looked++
			if _, err := os.Stat("../../scripts/" + m[1]); err != nil && m[1] != "common" {
				t.Errorf("%s names scripts/%s, which does not exist", path, m[1])
			}
		}
	}
	if looked < 50 {
		t.Errorf("%d names found, want 50 at least", looked)
	}
}

// TestWorkflowsRunNoOtherActions: a tag can be moved, and our workflows write releases and
// sign them. Go modules are pinned by go.sum's database instead.
func TestWorkflowsRunNoOtherActions(t *testing.T) {
	uses := regexp.MustCompile(`\buses: *([^/\s]+)/\S+`)
	looked := 0
	for _, path := range files(t, ".github/workflows") {
		for _, m := range uses.FindAllStringSubmatch(read(t, path), -1) {
			looked++
			if m[1] != "actions" && m[1] != "github" {
				t.Errorf("%s: %s is not GitHub's own", path, m[0])
			}
		}
	}
	if looked < 10 {
		t.Errorf("%d actions found, want 10 at least", looked)
	}
}

// TestEveryModuleIsLinted: those beneath integration are small programs of its tests.
func TestEveryModuleIsLinted(t *testing.T) {
	_, list, _ := strings.Cut(read(t, "../../.github/workflows/lint.yml"), "module: [")
	list, _, _ = strings.Cut(list, "]")
	linted := strings.Split(list, ", ")
	for _, path := range append(files(t, "deploy"), "../../go.mod", "../../integration/go.mod") {
		dir, file := filepath.Split(filepath.ToSlash(path))
		if dir, err := filepath.Rel("../..", dir); file == "go.mod" && (err != nil || !slices.Contains(linted, filepath.ToSlash(dir))) {
			t.Errorf("lint.yml does not lint module %s: it has %q", dir, linted)
		}
	}
}
