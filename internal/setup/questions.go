package setup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/display"
)

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
