package cli

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/environ"
	"github.com/pgkeyless/pgkeyless/internal/passfile"
	"github.com/pgkeyless/pgkeyless/internal/running"
	"github.com/pgkeyless/pgkeyless/internal/servicefile"
	"github.com/pgkeyless/pgkeyless/internal/shell"
)

func (a *app) serviceFileCommand() *cobra.Command {
	var file string
	var toStdout bool
	cmd := &cobra.Command{
		Use:   "service-file TARGET...",
		Short: "Write targets into libpq's service file",
		Long: `Write a section for each TARGET into libpq's connection service file, so that
"psql service=NAME" and every other libpq client finds it. The sections go
between two marks and replace what was there; the rest of the file does not
change. The file is PGSERVICEFILE, or .pg_service.conf in your home directory.

  pgkeyless service-file orders billing
  psql service=orders

If a running pgkeyless serves the target, the section names its Unix socket or
port, and you do not need to repeat --via. Otherwise it names the one that the
same options would use.`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeTargets,
		RunE: func(_ *cobra.Command, args []string) error {
			sections, err := a.sections(args)
			if err != nil {
				return err
			}
			if toStdout {
				text, err := servicefile.Merge(nil, sections)
				if err == nil {
					_, err = a.screen().Write(text)
				}
				return err
			}
			return a.updateServiceFile(file, sections)
		},
	}
	a.addFlags(cmd, forListening)
	cmd.Flags().StringVar(&file, "file", "", "the service file (default PGSERVICEFILE or ~/.pg_service.conf)")
	cmd.Flags().BoolVar(&toStdout, "stdout", false, "print the sections without changing the file")
	return cmd
}

// sections makes one for each target.
func (a *app) sections(args []string) ([]servicefile.Section, error) {
	cfg, err := config.LoadServed(a.input(args))
	if err != nil {
		return nil, err
	}
	var all []servicefile.Section
	for _, t := range cfg.Targets {
		p, served, err := running.PlaceOf(t, false)
		if err != nil {
			return nil, err
		}
		if !served {
			p.CA = ownCA()
		}
		s := servicefile.Section{Name: t.Name, Params: []servicefile.Param{{Key: "host", Value: p.Host}, {Key: "port", Value: strconv.Itoa(p.Port)}}}
		if user := cmp.Or(p.User, p.Usual); user != "" {
			s.Params = append(s.Params, servicefile.Param{Key: "user", Value: user})
		}
		if p.Database != "" {
			s.Params = append(s.Params, servicefile.Param{Key: "dbname", Value: p.Database})
		}
		if p.CA != "" {
			s.Params = append(s.Params, servicefile.Param{Key: "sslrootcert", Value: p.CA})
		}
		if usual, err := passfile.Default(); p.PassFile != "" && (err != nil || p.PassFile != usual) {
			s.Params = append(s.Params, servicefile.Param{Key: "passfile", Value: p.PassFile})
		}
		all = append(all, s)
	}
	return all, nil
}

// updateServiceFile writes sections into file, or into libpq's own.
func (a *app) updateServiceFile(file string, sections []servicefile.Section) error {
	file = cmp.Or(file, environ.LookUp(a.environ, "PGSERVICEFILE"))
	if file == "" {
		var err error
		if file, err = defaultServiceFile(); err != nil {
			return err
		}
	}
	changed, err := servicefile.Update(file, sections)
	switch {
	case causes.Hint(err) != "":
		return err
	case err != nil:
		return causes.Misuse(fmt.Sprintf("service file: %v", err), "choose another with --file")
	}
	done := "is up to date"
	if changed {
		done = "written"
	}
	fmt.Fprintf(a.stderr, "%s %s\n", file, done)
	for _, s := range sections {
		fmt.Fprintf(a.stderr, "  psql %s\n", "service="+shell.Word(s.Name))
	}
	return nil
}

// defaultServiceFile is where libpq looks.
//
// Source: PostgreSQL 18 docs, libpq-pgservice.html.
func defaultServiceFile() (string, error) {
	if runtime.GOOS == "windows" {
		dir, err := os.UserConfigDir()
		return filepath.Join(dir, "postgresql", ".pg_service.conf"), err
	}
	home, err := os.UserHomeDir()
	return filepath.Join(home, ".pg_service.conf"), err
}
