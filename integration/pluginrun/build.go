package pluginrun

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// mainPackage is the plugin's command.
const mainPackage = "github.com/aws/session-manager-plugin/src/sessionmanagerplugin-main"

// Build builds the plugin into dir and returns the binary's path. It needs the
// go command and must run inside this project's module; the first build takes
// half a minute, later ones come from the build cache.
func Build(ctx context.Context, dir string) (string, error) {
	root, err := moduleRoot(ctx)
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "session-manager-plugin")
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-C", filepath.Join(root, "integration", "plugin"), "-o", binary, mainPackage)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the session-manager-plugin: %w\n%s", err, out)
	}
	return binary, nil
}

// moduleRoot is the directory of this project's go.mod.
func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("looking for the module: %w", err)
	}
	file := strings.TrimSpace(string(out))
	if file == "" || file == os.DevNull {
		return "", errors.New("not inside a module: the plugin is built from the project's tree")
	}
	return filepath.Dir(file), nil
}
