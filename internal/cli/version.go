package cli

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/config"
)

func (a *app) versionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "version",
		Short:             "Print the version",
		Args:              noArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(*cobra.Command, []string) error { return a.printVersion() },
	}
	a.addFlags(cmd, func(o config.Option) bool { return o.Name == "structured-logs" })
	return cmd
}

func (a *app) printVersion() error {
	_, err := fmt.Fprintln(a.stdout, a.versionText())
	return err
}

// versionText is one line: the version, and from which commit of which day and by which
// Go it was built as far as the binary knows.
func (a *app) versionText() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return describeBuild(a.version, info)
}

// release is the version alone.
func (a *app) release() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return releaseOf(a.version, info)
}

func releaseOf(version string, info *debug.BuildInfo) string {
	return cmp.Or(version, info.Main.Version, "(devel)")
}

func describeBuild(version string, info *debug.BuildInfo) string {
	text := "pgkeyless " + releaseOf(version, info) + " ("
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	if commit := settings["vcs.revision"]; commit != "" {
		text += "commit " + commit[:min(12, len(commit))]
		if settings["vcs.modified"] == "true" {
			text += " modified"
		}
		if date, _, ok := strings.Cut(settings["vcs.time"], "T"); ok {
			text += " of " + date
		}
		text += ", "
	}
	return text + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH + ")"
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return causes.Misuse(fmt.Sprintf("`%s` takes no argument, got %q", cmd.CommandPath(), args[0]), fmt.Sprintf("see `%s --help`", cmd.CommandPath()))
}
