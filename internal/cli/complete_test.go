package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/testenv"
)

// completed are the words that a shell is offered at the end of args.
func completed(t *testing.T, args ...string) []string {
	t.Helper()
	var out, errs bytes.Buffer
	if code := newApp(&out, &errs).run(t.Context(), append([]string{"__completeNoDesc"}, args...)); code != 0 {
		t.Fatalf("%q: exit code %d: %s", args, code, errs.String())
	}
	var words []string
	for line := range strings.Lines(out.String()) {
		// The script of each shell looks which words go on as the user has begun.
		if word := strings.TrimSpace(line); strings.HasPrefix(word, args[len(args)-1]) && !strings.HasPrefix(word, ":") {
			words = append(words, word)
		}
	}
	return words
}

func TestCompletion(t *testing.T) {
	dir := testenv.Isolate(t)
	t.Chdir(dir)
	if err := os.WriteFile(filepath.Join(dir, "pgkeyless.yaml"), []byte("targets:\n  orders:\n  billing:\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config"), []byte("[default]\n[profile dev]\n[profile \"my prod\"]\n[sso-session corp]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	both := []string{"orders", "billing"}
	for _, command := range []string{"connect", "exec", "env", "doctor", "policy", "token", "service-file", "serve", "status", "wait", "reload", "shutdown"} {
		if got := completed(t, command, ""); !slices.Equal(got, both) {
			t.Errorf("%s: %q, want %q", command, got, both)
		}
	}
	for name, test := range map[string]struct{ args, want []string }{
		"a second target":        {[]string{"serve", "orders", ""}, []string{"billing"}},
		"no second target":       {[]string{"doctor", "orders", ""}, nil},
		"a way to prove":         {[]string{"serve", "--auth", ""}, []string{"none", "scram", "cert", "kubernetes"}},
		"an endpoint":            {[]string{"connect", "--endpoint", "w"}, []string{"writer"}},
		"a profile":              {[]string{"list", "--profile", ""}, []string{"default", "dev", "my prod"}},
		"a region":               {[]string{"serve", "--region", "eu-central-"}, []string{"eu-central-1", "eu-central-2"}},
		"a second region":        {[]string{"list", "--region", "us-east-1,eu-central-"}, []string{"us-east-1,eu-central-1", "us-east-1,eu-central-2"}},
		"a format":               {[]string{"policy", "--format", "te"}, []string{"text", "terraform"}},
		"the beginning of a way": {[]string{"serve", "--via", "t"}, []string{"tag:"}},
	} {
		if got := completed(t, test.args...); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// Each word that is offered for an option is one that it takes, and what a shell should
// complete to a path is left to it.
func TestChoicesAreTaken(t *testing.T) {
	for _, o := range config.All() {
		for _, word := range o.Choices() {
			if o.Name == "via" && word != config.ViaNone {
				continue // a beginning
			}
			in := config.Input{Targets: []string{"orders"}, Flags: map[string]string{"via": config.ViaNone, "auth-file": "x", "client-ca-file": "x", "kubernetes-accounts": "*", o.Name: word}}
			if _, err := config.Load(in); err != nil {
				t.Errorf("--%s %s: %v", o.Name, word, err)
			}
		}
		if file := strings.HasPrefix(o.Value, "FILE") || o.Value == "DIR"; file != (completeOption(o) == nil) {
			t.Errorf("--%s %s: files are offered: %v", o.Name, o.Value, completeOption(o) == nil)
		}
	}
}
