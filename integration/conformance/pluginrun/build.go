package pluginrun

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

// mainPackage is the plugin's command.
const mainPackage = "github.com/aws/session-manager-plugin/src/sessionmanagerplugin-main"

// Build builds the plugin into dir and returns the binary's path. It needs the
// go command and must run inside this project's tree; the first build takes
// half a minute, later ones come from the build cache.
func Build(ctx context.Context, dir string) (string, error) {
	root, err := lab.SourceTree(ctx)
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "session-manager-plugin")
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-C", filepath.Join(root, "integration", "conformance", "plugin"), "-o", binary, mainPackage)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the session-manager-plugin: %w\n%s", err, out)
	}
	return binary, nil
}
