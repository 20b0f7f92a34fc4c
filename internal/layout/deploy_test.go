package layout

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/pgkeyless/pgkeyless/internal/cli"
	"github.com/pgkeyless/pgkeyless/internal/config"
)

// commandLines are the command lines of pgkeyless in the files of deploy, by file: the
// arguments after the program. Those of the chart's templates, and what is in its config
// files, are deploy/check's.
func commandLines(t *testing.T) map[string][][]string {
	t.Helper()
	found := map[string][][]string{}
	err := filepath.WalkDir("../../deploy", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			if entry != nil && slices.Contains([]string{"helm", "check", "grafana", "prometheus", "terraform"}, entry.Name()) {
				return filepath.SkipDir
			}
			return err
		}
		text := read(t, path)
		switch filepath.Ext(path) {
		case ".yaml", ".json":
			for dec := yaml.NewDecoder(strings.NewReader(text)); ; {
				var document any
				if dec.Decode(&document) != nil { // deploy/check reads the files strictly
					break
				}
				collect(document, func(args []string) { found[path] = append(found[path], args) })
			}
		case ".hcl":
			for _, block := range regexp.MustCompile(`(?s)pgkeyless/pgkeyless:[^}]*?\sargs\s*=\s*\[(.*?)\]`).FindAllStringSubmatch(text, -1) {
				var args []string
				for _, quoted := range regexp.MustCompile(`"([^"]*)"`).FindAllStringSubmatch(block[1], -1) {
					args = append(args, quoted[1])
				}
				found[path] = append(found[path], args)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// collect looks in a document for containers of pgkeyless's image, health checks and
// probes that run it, and the lines of shell scripts that do.
func collect(value any, add func([]string)) {
	switch value := value.(type) {
	case []any:
		words := wordsOf(value)
		if len(words) > 0 && words[0] == "CMD" {
			words = words[1:]
		}
		if len(words) > 1 && words[0] == "/pgkeyless" {
			add(words[1:])
		}
		for _, v := range value {
			collect(v, add)
		}
	case map[string]any:
		if image, _ := value["image"].(string); strings.Contains(image, "pgkeyless/pgkeyless") {
			for _, key := range []string{"args", "command"} {
				if list, ok := value[key].([]any); ok {
					add(wordsOf(list))
				}
			}
		}
		if script, ok := value["run"].(string); ok {
			for line := range strings.Lines(script) {
				if words := strings.Fields(line); len(words) > 0 && words[0] == "pgkeyless" {
					add(shellWords(words[1:]))
				}
			}
		}
		for _, v := range value {
			collect(v, add)
		}
	}
}

// shellWords drops what the shell keeps for itself, and fills in $TARGET.
func shellWords(words []string) (args []string) {
	for _, w := range words {
		if strings.ContainsAny(w, "<>&|") {
			continue
		}
		args = append(args, strings.ReplaceAll(strings.Trim(w, `"'`), "$TARGET", "orders?via=tag:Role=jump&user=ci&dbname=app"))
	}
	return args
}

func wordsOf(list []any) (words []string) {
	for _, v := range list {
		if s, ok := v.(string); ok {
			words = append(words, s)
		}
	}
	return words
}

// TestCommandLinesOfDeploy gives each to the real parser: of flags, then of options.
func TestCommandLinesOfDeploy(t *testing.T) {
	all := commandLines(t)
	count := map[string]int{}
	for path, lines := range all {
		for _, args := range lines {
			count[filepath.Base(path)]++
			if err := parses(args); err != nil {
				t.Errorf("%s: pgkeyless %q: %v", path, args, err)
			}
		}
	}
	for file, want := range map[string]int{"sidecar.yaml": 1, "job.yaml": 1, "deployment.yaml": 1, "sidecar.json": 2, "job.json": 2, "gateway.json": 2,
		"docker-compose.yaml": 2, "migrate.yaml": 4, "shop.nomad.hcl": 2} {
		if count[file] != want {
			t.Errorf("%d command lines found in %s, want %d", count[file], file, want)
		}
	}
	for _, bad := range [][]string{{"orders?via=none", "--adress=::"}, {"orders?vja=none"}, {"wait", "--most=1s"}, {"orders?via=none", "--auth=scrm"}} {
		if parses(bad) == nil {
			t.Errorf("%q is no error", bad)
		}
	}
}

// parses runs no command, and reads no file of the user's.
func parses(args []string) error {
	cmd, rest, err := cli.Tree().Find(args)
	if err != nil {
		return err
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	given := cmd.Flags().Args()
	if err := cmd.ValidateArgs(given); err != nil {
		return err
	}
	if cmd.Name() == "exec" {
		given = given[:cmd.ArgsLenAtDash()]
	} else if cmd.Name() != "serve" && cmd.HasParent() {
		return nil // its flags are all there is
	}
	in := config.Input{Targets: given, Flags: flagsOf(cmd, rest)}
	if in.Flags["config-file"] != "" { // what is in it is deploy/check's

		return nil
	}
	_, err = config.Load(in)
	return err
}

// flagsOf are the options among args. In the files of deploy, values follow an equals
// sign.
func flagsOf(cmd *cobra.Command, args []string) map[string]string {
	flags := map[string]string{}
	for _, arg := range args {
		if arg == "--" {
			break
		}
		flag, ok := strings.CutPrefix(arg, "--")
		if !ok {
			continue
		}
		name, value, given := strings.Cut(flag, "=")
		if f := cmd.Flags().Lookup(name); f != nil && !given {
			value = f.NoOptDefVal
		}
		flags[name] = value
	}
	return flags
}

// TestDeployIsNamedInDocs: every directory of deploy is one that a page leads to, but for
// the tests and what packages bring.
func TestDeployIsNamedInDocs(t *testing.T) {
	var docs strings.Builder
	for _, path := range pages(t) {
		docs.WriteString(read(t, path))
	}
	entries, err := os.ReadDir("../../deploy")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "check" && e.Name() != "packages" && !strings.Contains(docs.String(), "deploy/"+e.Name()) {
			t.Errorf("no page leads to deploy/%s", e.Name())
		}
	}
}

// TestECSPageMakesWhatItUses: ECS makes no log groups, and a service needs a target group
// that a listener leads to.
func TestECSPageMakesWhatItUses(t *testing.T) {
	page := read(t, "../../docs/howto/ecs.md")
	groups := 0
	for _, path := range files(t, "deploy/ecs") {
		text := read(t, path)
		for _, m := range regexp.MustCompile(`"awslogs-group": "([^"]+)"`).FindAllStringSubmatch(text, -1) {
			groups++
			if !strings.Contains(page, "aws logs create-log-group --log-group-name "+m[1]+"\n") {
				t.Errorf("%s logs to %s, which docs/howto/ecs.md does not make", path, m[1])
			}
		}
		if name := "--cli-input-json file://deploy/ecs/" + filepath.Base(path); !strings.Contains(page, name) {
			t.Errorf("docs/howto/ecs.md has no command with %s", name)
		}
	}
	if groups < 5 {
		t.Errorf("%d log groups found, want 5 at least", groups)
	}
	before := -1
	for _, step := range []string{"create-secret ", "target_group=$(aws elbv2 create-target-group ", "load_balancer=$(aws elbv2 create-load-balancer ",
		"listener=$(aws elbv2 create-listener ", `--listener-arn "$listener"`, "create-log-group --log-group-name /ecs/pgkeyless", "create-service "} {
		at := strings.Index(page, step)
		if at < before || at < 0 {
			t.Errorf("docs/howto/ecs.md has %q at %d, after what needs it at %d", step, at, before)
		}
		before = at
	}
}
