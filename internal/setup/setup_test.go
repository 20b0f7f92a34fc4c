package setup

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/config"
)

// person gives answers in turn: a title's beginning, and what is answered.
type person struct {
	t       *testing.T
	answers [][2]string
	refused []string // answers that a check did not take
}

func (p *person) next(title string) string {
	p.t.Helper()
	if len(p.answers) == 0 || !strings.HasPrefix(title, p.answers[0][0]) {
		p.t.Fatalf("asked %q, want %q", title, p.answers)
	}
	answer := p.answers[0][1]
	p.answers = p.answers[1:]
	return answer
}

func (p *person) Choose(_ context.Context, title, _ string, choices []Choice) (string, error) {
	answer := p.next(title)
	if answer == "leaves" {
		return "", ErrLeft
	}
	for _, c := range choices {
		if strings.HasPrefix(c.Label, answer) {
			return c.Value, nil
		}
	}
	p.t.Fatalf("%s: no choice %q among %q", title, answer, choices)
	return "", nil
}

func (p *person) Text(_ context.Context, title, _ string, check func(string) error) (string, error) {
	for {
		answer := p.next(title)
		if check(answer) == nil {
			return answer, nil
		}
		p.refused = append(p.refused, answer)
	}
}

func (p *person) Confirm(_ context.Context, title string, _ bool) (bool, error) {
	return p.next(title) == "yes", nil
}

// account is a Config with two profiles and a region with a database and a jump host.
func account(t *testing.T, answers ...[2]string) (Config, *person, string) {
	p := &person{t: t, answers: answers}
	dir := t.TempDir()
	return Config{
		Ask: p, Out: new(bytes.Buffer), Profiles: []string{"dev", "prod"}, Regions: []string{"eu-central-1", "us-east-1"},
		Region: func(_ context.Context, profile string) (string, error) {
			return map[string]string{"dev": "us-east-1"}[profile], nil
		},
		Look: func(context.Context, string, string) (Seen, error) {
			return Seen{Databases: []Choice{{"orders", "orders"}}, JumpHosts: []Choice{{"i-0123456789abcdef0", "i-0123456789abcdef0 jump"}}}, nil
		},
		Check:  func(context.Context, config.Target) (Path, error) { return Good, nil },
		Policy: func(context.Context, config.Target) error { return nil },
		Files:  []string{filepath.Join(dir, "pgkeyless.yaml"), filepath.Join(dir, "own", "config.yaml")},
	}, p, dir
}

func TestEveryAnswer(t *testing.T) {
	c, p, dir := account(t, [2]string{"AWS profile", "dev"}, [2]string{"AWS region", "us-east-1 (from your AWS settings)"}, [2]string{"Database", "another"},
		[2]string{"Database", "no host/name"}, [2]string{"Database", "orders.c1.us-east-1.rds.amazonaws.com"}, [2]string{"Jump host", "another"}, [2]string{"Jump host", "nowhere"}, [2]string{"Jump host", "tag:Role=jump"},
		[2]string{"Database user", ""}, [2]string{"Database user", "app_user"}, [2]string{"Database name", ""}, [2]string{"Config file", ""})
	c.Check = func(_ context.Context, t config.Target) (Path, error) {
		if t.Via != "tag:Role=jump" || t.User != "app_user" || t.Profile != "dev" {
			return Broken, errors.New("another target")
		}
		return Good, nil
	}
	written, err := Run(t.Context(), c)
	if err != nil || written.Name != "orders" || written.User != "app_user" || written.File != filepath.Join(dir, "pgkeyless.yaml") {
		t.Fatalf("%+v, %v", written, err)
	}
	text, err := os.ReadFile(written.File)
	want := "targets:\n  orders:\n    database: orders.c1.us-east-1.rds.amazonaws.com\n    via: tag:Role=jump\n    user: app_user\n    region: us-east-1\n    profile: dev\n"
	if err != nil || string(text) != want {
		t.Errorf("%v, wrote\n%s\nwant\n%s", err, text, want)
	}
	if strings.Join(p.refused, ",") != "no host/name,nowhere," {
		t.Errorf("refused %q", p.refused)
	}
}

// A public database needs no jump host: nobody is asked for one, and none is missing.
func TestPublicDatabaseNeedsNoJumpHost(t *testing.T) {
	const dsql = "abcdefghijklmnopqrstuvwxyz.dsql.us-east-1.on.aws"
	for _, test := range []struct {
		name, database string
		asked          bool
	}{
		{"by what AWS says of it", "hobby", true},
		{"by its name", dsql, true},
		{"by what AWS says, without a terminal", "hobby", false},
		{"by its name, without a terminal", dsql, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, p, _ := account(t, [2]string{"Database name", ""}, [2]string{"Config file", ""})
			if test.database == dsql { // which has one database
				p.answers = p.answers[1:]
			}
			c.Given = Answers{Profile: "dev", Region: "us-east-1", Database: test.database, User: "postgres"}
			c.Look = func(context.Context, string, string) (Seen, error) {
				return Seen{Databases: []Choice{{"hobby", "hobby"}}, Public: []string{"hobby"}}, nil
			}
			if !test.asked {
				c.Ask, p.answers = nil, nil
			}
			written, err := Run(t.Context(), c)
			if err != nil || written.Via != "" {
				t.Fatalf("%+v, %v, want no jump host", written, err)
			}
			if out := c.Out.(*bytes.Buffer).String(); !strings.Contains(out, test.database+" is public") {
				t.Errorf("printed %q, want a word of it", out)
			}
			if text, err := os.ReadFile(written.File); err != nil || strings.Contains(string(text), "via") {
				t.Errorf("wrote %s, %v", text, err)
			}
		})
	}
}

// A cluster of DSQL has one database, which nobody is asked for.
func TestDSQLHasOneDatabase(t *testing.T) {
	const id = "abcdefghijklmnopqrstuvwxyz"
	for _, name := range []string{id, id + ".dsql.us-east-1.on.aws", "arn:aws:dsql:us-east-1:111122223333:cluster/" + id} {
		c, _, _ := account(t, [2]string{"Database user", "app"}, [2]string{"Config file", ""})
		c.Given = Answers{Profile: "dev", Region: "us-east-1", Database: name}
		c.Look = func(context.Context, string, string) (Seen, error) {
			return Seen{Databases: []Choice{{id, id}}, Public: []string{id}, DSQL: []string{id}}, nil
		}
		if written, err := Run(t.Context(), c); err != nil || written.Via != "" || written.User != "app" || written.DBName != "postgres" {
			t.Errorf("%s: %+v, %v", name, written, err)
		}
	}
}

// Without a terminal, what AWS does not say of a database can be given.
func TestUnknownDatabaseMayNeedAJumpHost(t *testing.T) {
	c, _, _ := account(t)
	c.Ask = nil
	c.Given = Answers{Profile: "dev", Region: "us-east-1", Database: "hobby", User: "postgres"}
	c.Look = func(context.Context, string, string) (Seen, error) { return Seen{}, errors.New("no network") }
	if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "not given: --via") {
		t.Errorf("%v, want --via to be missing", err)
	}
}

// Nothing is written when somebody leaves, when AWS cannot be asked, or when the check
// fails and nobody wants the file all the same.
func TestNothingIsWrittenBeforeTheEnd(t *testing.T) {
	given := Answers{Profile: "dev", Region: "us-east-1", Database: "orders", Via: "none", User: "app_user", DBName: "app"}
	fails := func(context.Context, config.Target) (Path, error) { return Refused, nil }
	for name, test := range map[string]struct {
		answers [][2]string
		change  func(*Config)
		want    error
	}{
		"leaves at the file":          {[][2]string{{"Config file", "leaves"}}, func(*Config) {}, ErrLeft},
		"leaves after a failed check": {[][2]string{{"Config file", ""}, {"Show", "no"}, {"Write", "no"}}, func(c *Config) { c.Check = fails }, ErrLeft},
		"leaves after a check that no permission helps": {[][2]string{{"Config file", ""}, {"Write", "no"}}, func(c *Config) {
			c.Check = func(context.Context, config.Target) (Path, error) { return Broken, nil }
		}, ErrLeft},
		"the check is interrupted": {[][2]string{{"Config file", ""}}, func(c *Config) {
			c.Check = func(context.Context, config.Target) (Path, error) { return Broken, context.Canceled }
		}, context.Canceled},
		"AWS is out of reach": {nil, func(c *Config) {
			c.Given.Database = ""
			c.Look = func(context.Context, string, string) (Seen, error) { return Seen{}, os.ErrDeadlineExceeded }
		}, os.ErrDeadlineExceeded},
	} {
		c, _, dir := account(t, test.answers...)
		c.Given = given
		test.change(&c)
		if _, err := Run(t.Context(), c); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%s: left %v, %v", name, left, err)
		}
	}
	c, _, dir := account(t, [2]string{"Config file", ""}, [2]string{"Show", "yes"}, [2]string{"Write", "yes"})
	c.Given, c.Check = given, fails
	shown := false
	c.Policy = func(context.Context, config.Target) error { shown = true; return nil }
	if _, err := Run(t.Context(), c); err != nil || !shown {
		t.Errorf("%v, policy shown %v", err, shown)
	}
	if _, err := os.Stat(filepath.Join(dir, "pgkeyless.yaml")); err != nil {
		t.Error(err)
	}
}

func TestNobodyToAsk(t *testing.T) {
	c, _, _ := account(t)
	c.Ask, c.Given = nil, Answers{Profile: "dev"}
	if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "not given: TARGET, --via, --user") {
		t.Errorf("%v", err)
	}
}

// A name that the file has already is noticed before anything else is asked.
func TestTakenNameIsNoticedAtOnce(t *testing.T) {
	given := Answers{Profile: "dev", Region: "us-east-1", Database: "orders", Via: "none", User: "app_user", DBName: "app"}
	c, p, dir := account(t, [2]string{"Name of the target", "orders"}, [2]string{"Name of the target", "ledger"})
	file := filepath.Join(dir, "pgkeyless.yaml")
	if err := os.WriteFile(file, []byte("targets:\n  orders: {via: none}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.Given, c.Files = given, []string{file}
	written, err := Run(t.Context(), c)
	if err != nil || written.Name != "ledger" || strings.Join(p.refused, ",") != "orders" {
		t.Errorf("%+v, %v; refused %q", written, err, p.refused)
	}
	c.Ask = nil
	if _, err := Run(t.Context(), c); !errors.Is(err, config.ErrTaken) {
		t.Errorf("with nobody to ask: %v", err)
	}
}

// The user of a secret is asked for before the target is checked, and none for the one that
// RDS keeps.
func TestSecretIsGivenBeforehand(t *testing.T) {
	for secret, user := range map[string]string{"orders/app": "orders_app", config.SecretManaged: ""} {
		answers := [][2]string{{"Jump host", "another"}, {"Jump host", "tag:Role=jump"}}
		if user != "" {
			answers = append(answers, [2]string{"Database user", user})
		}
		c, _, _ := account(t, append(answers, [2]string{"Database name", ""})...)
		c.Given = Answers{Profile: "dev", Region: "us-east-1", Database: "orders", More: map[string]string{"secret": secret}, File: filepath.Join(t.TempDir(), "own.yaml")}
		c.Check = func(_ context.Context, t config.Target) (Path, error) {
			if t.Secret != secret || t.User != user {
				return Broken, errors.New("another target")
			}
			return Good, nil
		}
		written, err := Run(t.Context(), c)
		if err != nil {
			t.Errorf("%s: %v", secret, err)
			continue
		}
		if text, err := os.ReadFile(written.File); err != nil || !strings.Contains(string(text), "    secret: "+secret+"\n") {
			t.Errorf("%s: %v, wrote\n%s", secret, err, text)
		}
	}
}

// Where RDS keeps the master user's password, a person may choose it; who has named a user
// or a secret is not asked.
func TestManagedSecretIsOffered(t *testing.T) {
	for _, tt := range []struct {
		name, user, want string
		answers          [][2]string
	}{
		{"taken", "", "    secret: managed\n", [][2]string{{"Login", "also the master user"}, {"Database name", ""}}},
		{"not taken", "", "    user: app_user\n", [][2]string{{"Login", "an IAM token"}, {"Database user", "app_user"}, {"Database name", ""}}},
		{"a user is named", "app_user", "    user: app_user\n", [][2]string{{"Database name", ""}}},
	} {
		c, p, _ := account(t, append([][2]string{{"Database", "orders"}, {"Jump host", "i-0123456789abcdef0"}}, tt.answers...)...)
		look := c.Look
		c.Look = func(ctx context.Context, profile, region string) (Seen, error) {
			seen, err := look(ctx, profile, region)
			seen.Managed = []string{"orders"}
			return seen, err
		}
		c.Given = Answers{Profile: "dev", Region: "us-east-1", User: tt.user, File: filepath.Join(t.TempDir(), "own.yaml")}
		written, err := Run(t.Context(), c)
		if err != nil || len(p.answers) > 0 {
			t.Errorf("%s: %v, not asked %q", tt.name, err, p.answers)
			continue
		}
		if text, err := os.ReadFile(written.File); err != nil || !strings.Contains(string(text), tt.want) || strings.Contains(string(text), "secret") != strings.Contains(tt.want, "secret") {
			t.Errorf("%s: %v, wrote\n%s", tt.name, err, text)
		}
	}
}
