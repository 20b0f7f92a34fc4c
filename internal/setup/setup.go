package setup

import (
	"context"
	"errors"
	"io"
	"maps"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/config"
)

// ErrLeft is a person who has left in the middle, by Ctrl-C or Esc.
var ErrLeft = errors.New("left")

// Answers are what a target is made of. Empty ones are asked for.
type Answers struct {
	Profile, Region string
	Database        string // identifier, ARN or endpoint
	Name            string // of the target; by default it is made of Database
	Via             string
	User, DBName    string
	File            string // config file to write to

	// More are further options of the target, by name, which are not asked for.
	More map[string]string
}

// Choice is one of several answers.
type Choice struct {
	Value string
	Label string // what a person reads
}

// Asker asks a person. Its methods return ErrLeft for one who leaves.
type Asker interface {
	// Choose lets the person pick one of choices, which a word that is typed filters.
	Choose(ctx context.Context, title, help string, choices []Choice) (string, error)
	// Text asks for a line that check takes.
	Text(ctx context.Context, title, help string, check func(string) error) (string, error)
	// Confirm asks for a yes or a no, and takes usual for no answer.
	Confirm(ctx context.Context, title string, usual bool) (bool, error)
}

// Seen is what the credentials can see in a region.
type Seen struct {
	Databases, JumpHosts []Choice
	Public               []string // of Databases, those that need no jump host
	DSQL                 []string // of Databases, those of Aurora DSQL
	Managed              []string // of Databases, those whose master user's password RDS keeps
	Problems             []string // why there may be more
}

// Path is what a check finds.
type Path int

const (
	Good    Path = iota
	Broken       // something that no permission would change
	Refused      // a permission or a grant may be missing
)

// Config is what Run needs.
type Config struct {
	Given Answers
	Ask   Asker // nil: there is nobody to ask
	Out   io.Writer

	Profiles []string // of the shared AWS configuration
	// Region is the one of a profile; "" where it has none.
	Region  func(ctx context.Context, profile string) (string, error)
	Regions []string
	// Look asks AWS what there is.
	Look func(ctx context.Context, profile, region string) (Seen, error)
	// Check walks the path to a target; nil skips that.
	Check func(ctx context.Context, t config.Target) (Path, error)
	// Policy prints what a target needs.
	Policy func(ctx context.Context, t config.Target) error
	// Files are the config files that may be written, the best first; Places says which of
	// them are found by their place, and may not hold everything.
	Files  []string
	Places config.Places
}

// Run asks, checks and writes. It returns what was written: the answers are complete.
func Run(ctx context.Context, c Config) (Answers, error) {
	r := &run{Config: c, a: c.Given}
	for _, step := range []func(context.Context) error{r.profile, r.region, r.database, r.jumpHost, r.user, r.missing, r.file, r.check} {
		if err := step(ctx); err != nil {
			return Answers{}, err
		}
	}
	return r.a, r.write()
}

// run is one time of asking.
type run struct {
	Config
	a    Answers
	seen *Seen    // nil: not looked yet
	lack []string // flags of what is missing
}

// want notes that a flag is missing where nobody can be asked.
func (r *run) want(flag string) bool {
	if r.Ask == nil {
		r.lack = append(r.lack, flag)
	}
	return r.Ask != nil
}

// load makes a target of a, as a config file would.
func (r *run) load(a Answers) (config.Target, error) {
	cfg, err := config.LoadServed(config.Input{Targets: []string{a.Database}, Flags: a.options()})
	if err != nil {
		return config.Target{}, err
	}
	return cfg.Targets[0], nil
}

// options are those that a says, by name.
func (a Answers) options() map[string]string {
	all := map[string]string{"profile": a.Profile, "region": a.Region, "via": a.Via, "user": a.User, "dbname": a.DBName}
	maps.Copy(all, a.More)
	for name, value := range all {
		if value == "" {
			delete(all, name)
		}
	}
	return all
}

func (r *run) check(ctx context.Context) error {
	t, err := r.load(r.a)
	if err != nil || r.Check == nil {
		return err
	}
	path, err := r.Check(ctx, t)
	if err != nil || path == Good {
		return err
	}
	if r.Ask == nil {
		return causes.Misuse("the check failed, so nothing was written", "fix what it names; --no-check writes the file all the same")
	}
	if path == Refused {
		show, err := r.Ask.Confirm(ctx, "Show the IAM policy and the SQL that this target needs?", true)
		if err != nil {
			return err
		}
		if show {
			if err := r.Policy(ctx, t); err != nil {
				return err
			}
		}
	}
	anyway, err := r.Ask.Confirm(ctx, "Write the config file although the check failed?", false)
	if err == nil && !anyway {
		err = ErrLeft
	}
	return err
}
