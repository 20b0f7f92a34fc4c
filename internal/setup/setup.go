package setup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/ownfile"
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
	// Confirm asks for yes or no.
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

func (r *run) profile(ctx context.Context) (err error) {
	if r.a.Profile != "" || r.Ask == nil || len(r.Profiles) < 2 {
		return nil
	}
	var choices []Choice
	for _, p := range r.Profiles {
		choices = append(choices, Choice{p, p})
	}
	choices = append(choices, Choice{"", "as the AWS CLI chooses"})
	r.a.Profile, err = r.Ask.Choose(ctx, "AWS profile", "The profile in ~/.aws/config whose identity logs in", choices)
	return err
}

func (r *run) region(ctx context.Context) error {
	if r.a.Region != "" {
		return nil
	}
	own, err := r.Region(ctx, r.a.Profile)
	if err != nil {
		return err
	}
	if r.Ask == nil {
		r.a.Region = own
		return nil
	}
	choices := []Choice{}
	if own != "" {
		choices = append(choices, Choice{own, own + " (from your AWS settings)"})
	}
	for _, region := range r.Regions {
		if region != own {
			choices = append(choices, Choice{region, region})
		}
	}
	r.a.Region, err = r.Ask.Choose(ctx, "AWS region", "Where the database is", choices)
	return err
}

// look asks AWS once. What it does not tell can be typed.
func (r *run) look(ctx context.Context) (Seen, error) {
	if r.seen != nil {
		return *r.seen, nil
	}
	fmt.Fprintf(r.Out, "Looking for databases and jump hosts in %s …\n", cmp.Or(r.a.Region, "the profile's region"))
	seen, err := r.Look(ctx, r.a.Profile, r.a.Region)
	if err != nil {
		return Seen{}, err
	}
	for _, p := range seen.Problems {
		fmt.Fprintf(r.Out, "  %s\n", display.Line(p))
	}
	r.seen = &seen
	return seen, nil
}

// typed is the choice of what is not listed.
const typed = "\x00typed"

func (r *run) database(ctx context.Context) error {
	if r.a.Database == "" && r.want("TARGET") {
		seen, err := r.look(ctx)
		if err != nil {
			return err
		}
		if r.a.Database, err = r.pick(ctx, "Database", "The PostgreSQL databases that you can see", seen.Databases, "another one: type its identifier, ARN or endpoint", checkDatabase); err != nil {
			return err
		}
	}
	if r.a.Database == "" {
		return nil
	}
	if r.a.Name == "" {
		r.a.Name = config.TargetName(r.a.Database)
	}
	if r.a.Name == "" && !r.want("--name") {
		return nil
	}
	taken := r.taken(r.a.Name)
	if r.a.Name != "" && (taken == nil || r.Ask == nil) {
		return taken
	}
	help := "What you call it: pgkeyless NAME"
	if taken != nil {
		help = "Another one is called " + r.a.Name + " already"
	}
	var err error
	r.a.Name, err = r.Ask.Text(ctx, "Name of the target", help, func(name string) error {
		return cmp.Or(checkName(name), r.taken(name))
	})
	return err
}

// taken is an error when each file that may be written has a target of that name.
func (r *run) taken(name string) error {
	files := r.Files
	if r.a.File != "" {
		files = []string{r.a.File}
	}
	var taken error
	for _, f := range files {
		before, err := os.ReadFile(f)
		if err != nil {
			return nil
		}
		_, err = config.AddTarget(r.Places, f, before, config.NewTarget{Name: name, Database: r.a.Database})
		if !errors.Is(err, config.ErrTaken) {
			return nil
		}
		taken = cmp.Or(taken, err)
	}
	return taken
}

// pick lets a person choose one of a list, or type another.
func (r *run) pick(ctx context.Context, title, help string, choices []Choice, other string, check func(string) error) (string, error) {
	answer := typed
	var err error
	if len(choices) > 0 {
		answer, err = r.Ask.Choose(ctx, title, help, append(slices.Clone(choices), Choice{typed, other}))
	}
	if err != nil || answer != typed {
		return answer, err
	}
	return r.Ask.Text(ctx, title, other, check)
}

// public reports whether the database is reached over the internet: its name says so, or
// AWS does.
func (r *run) public(ctx context.Context) (bool, error) {
	t, err := r.load(Answers{Database: r.a.Database, Region: r.a.Region})
	if err != nil || t.CheckWay() != nil {
		return false, err
	}
	if t.Ref == "" || t.DSQL() {
		return true, nil
	}
	seen, err := r.look(ctx)
	if err != nil && r.Ask == nil {
		return false, nil // what is missing can be given
	}
	return slices.Contains(seen.Public, r.a.Database), err
}

func (r *run) jumpHost(ctx context.Context) error {
	if r.a.Via != "" || r.a.More["dial"] != "" {
		return nil
	}
	if r.a.Database != "" {
		if public, err := r.public(ctx); err != nil {
			return err
		} else if public {
			fmt.Fprintf(r.Out, "%s is public: pgkeyless connects to it directly, without a jump host.\n", display.Line(r.a.Database))
			return nil
		}
	}
	if !r.want("--via") {
		return nil
	}
	seen, err := r.look(ctx)
	if err != nil {
		return err
	}
	choices := append(slices.Clone(seen.JumpHosts), Choice{config.ViaNone, "none: this machine reaches the database directly"})
	r.a.Via, err = r.pick(ctx, "Jump host", "The instance that SSM manages, in reach of the database", choices, "another one: type i-…, mi-…, tag:KEY=VALUE, asg:GROUP or ecs:CLUSTER/SERVICE", func(v string) error {
		more := maps.Clone(r.a.More)
		delete(more, "secret") // whose user has not been asked for yet
		_, err := r.load(Answers{Database: "orders", Via: v, More: more})
		return err
	})
	return err
}

// secret offers the password that RDS keeps for the master user of the database, where it
// does.
func (r *run) secret(ctx context.Context) error {
	if r.Ask == nil || r.a.User != "" || r.a.More["secret"] != "" || r.seen == nil || !slices.Contains(r.seen.Managed, r.a.Database) {
		return nil
	}
	how, err := r.Ask.Choose(ctx, "Login", "RDS keeps the master user's password in Secrets Manager", []Choice{
		{"", "an IAM token, for a user that is granted rds_iam"},
		{config.SecretManaged, "also the master user, with that password"},
	})
	if err == nil && how != "" {
		r.a.More = maps.Clone(r.a.More)
		if r.a.More == nil {
			r.a.More = map[string]string{}
		}
		r.a.More["secret"] = how
	}
	return err
}

func (r *run) user(ctx context.Context) (err error) {
	if err := r.secret(ctx); err != nil {
		return err
	}
	who := "A user that is granted rds_iam"
	switch {
	case r.a.More["secret"] != "":
		who = "The user whose password is in the secret"
	case r.dsql():
		who = config.DSQLUser + ", or a role that is linked to an IAM role"
		r.a.DBName = cmp.Or(r.a.DBName, config.DSQLDatabase)
	}
	if r.a.User == "" && r.a.More["secret"] != config.SecretManaged && r.want("--user") {
		if r.a.User, err = r.Ask.Text(ctx, "Database user", who, filled); err != nil {
			return err
		}
	}
	if r.a.DBName == "" && r.Ask != nil {
		r.a.DBName, err = r.Ask.Text(ctx, "Database name", "The one that clients connect to; empty to let each client name it", func(string) error { return nil })
	}
	return err
}

// dsql reports whether the database is known to be an Aurora DSQL cluster, by its name or
// by what AWS has said of it.
func (r *run) dsql() bool {
	t, err := r.load(Answers{Database: r.a.Database, Region: r.a.Region})
	return r.a.Database != "" && err == nil && (t.DSQL() || r.seen != nil && slices.Contains(r.seen.DSQL, r.a.Database))
}

// missing is an error for what nobody can be asked for.
func (r *run) missing(ctx context.Context) error {
	if len(r.lack) == 0 {
		return nil
	}
	hint := "name what is missing: pgkeyless init TARGET --via i-… --user NAME; or run `pgkeyless init` on a terminal, which asks"
	if seen, err := r.look(ctx); err == nil && len(seen.Databases)+len(seen.JumpHosts) > 0 {
		hint += "; `pgkeyless list` shows the databases and jump hosts there are"
	}
	return causes.Misuse("no terminal to ask on, and not given: "+strings.Join(r.lack, ", "), hint)
}

func (r *run) file(ctx context.Context) (err error) {
	var fit []string // of Files
	for _, f := range r.Files {
		if _, refused := r.text(f); refused == nil {
			fit = append(fit, f)
		} else if err == nil {
			err = refused
		}
	}
	switch {
	case r.a.File != "":
		_, err = r.text(r.a.File) // before the check, which takes a while
	case len(fit) == 0:
		return err
	case r.Ask == nil || len(fit) == 1:
		r.a.File, err = fit[0], nil
	default:
		var choices []Choice
		for _, f := range fit {
			label := f
			if _, err := os.Stat(f); err == nil {
				label += " (exists: the target is added)"
			}
			choices = append(choices, Choice{f, label})
		}
		r.a.File, err = r.Ask.Choose(ctx, "Config file", "Where pgkeyless finds the target from now on", choices)
	}
	return err
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

// text is a file as it will be.
func (r *run) text(file string) ([]byte, error) {
	before, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, causes.MisuseOf(err, "name another file with --file")
	}
	t := config.NewTarget{Name: r.a.Name, Database: r.a.Database, Options: r.a.options()}
	if t.Database == t.Name {
		t.Database = ""
	}
	return config.AddTarget(r.Places, file, before, t)
}

// write writes it, whole or not at all.
func (r *run) write() error {
	text, err := r.text(r.a.File)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(r.a.File), 0o700); err != nil {
		return causes.MisuseOf(err, "name another file with --file")
	}
	at, mode := r.a.File, fs.FileMode(0o600)
	if info, err := os.Stat(at); err == nil {
		mode = info.Mode().Perm()
		if behind, err := filepath.EvalSymlinks(at); err == nil {
			at = behind
		}
	}
	if err := ownfile.Replace(at, text, mode); err != nil {
		return causes.MisuseOf(err, "name another file with --file")
	}
	return nil
}

func filled(s string) error {
	if strings.TrimSpace(s) == "" {
		return errors.New("type a name")
	}
	return nil
}

func checkDatabase(s string) error {
	_, err := (&run{}).load(Answers{Database: s, Via: config.ViaNone})
	return err
}

func checkName(s string) error {
	_, err := config.AddTarget(config.Places{}, "", nil, config.NewTarget{Name: s})
	return err
}
