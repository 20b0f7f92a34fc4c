package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// serveLine is what the recording shows to start pgkeyless: serveTarget is its
// argument. Whatever else the emulated account needs comes from the environment.
const (
	serveTarget = "orders?via=" + lab.Target
	serveLine   = "pgkeyless '" + serveTarget + "'"
)

// recordedLines are typed after that, as if in a second terminal.
var recordedLines = []string{
	"psql -h localhost -U " + pgserver.AppUser + " " + pgserver.Database + " -c 'select current_user, current_database()'",
	"psql -h localhost -U " + pgserver.PlainUser + " " + pgserver.Database,
}

// recordedCommand runs pgkeyless as serveLine says.
func (d *demo) recordedCommand(dir string) lab.Command {
	return lab.Command{
		Binary: d.binary,
		Args:   []string{serveTarget},
		Env: append(slices.Clone(d.env), "HOME="+dir, "PGKEYLESS_CA_FILE="+d.caFile, "PGKEYLESS_PORT="+fmt.Sprint(d.port),
			"PGKEYLESS_UNIX_SOCKET=none", "PGKEYLESS_CONFIG_FILE=none"),
		Echo: d.echo,
	}
}

// recordTo returns an act that runs the lines of the recording and draws what they
// print, for light and for dark pages, into files of dir.
func (d *demo) recordTo(dir string) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		const ready = "pgkeyless is ready for new connections"
		start, _, _ := strings.Cut(d.proxy.Output(), ready) // what follows may come a moment later
		scenes := []scene{{serveLine, start + ready}}
		for _, line := range recordedLines {
			said, err := d.typed(ctx, line)
			if err != nil {
				return err
			}
			scenes = append(scenes, scene{line, said})
		}
		for name, theme := range themes {
			if err := os.WriteFile(filepath.Join(dir, "demo-"+name+".svg"), draw(scenes, theme), 0o644); err != nil {
				return err
			}
		}
		return nil
	}
}

// typed runs a line in a shell and returns what it prints. That a line fails is
// part of the recording.
func (d *demo) typed(ctx context.Context, line string) (string, error) {
	cmd := exec.CommandContext(ctx, "sh", "-c", line)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "PGPORT=" + fmt.Sprint(d.port), "PGSSLMODE=disable", "LC_ALL=C.UTF-8"}
	out, err := cmd.CombinedOutput()
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		return "", fmt.Errorf("%s: %w", line, err)
	}
	return strings.TrimRight(string(bytes.ToValidUTF8(out, nil)), "\n"), nil
}
