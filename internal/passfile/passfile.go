package passfile

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/environ"
	"github.com/pgkeyless/pgkeyless/internal/markedfile"
	"github.com/pgkeyless/pgkeyless/internal/secret"
)

// Variable names another file than libpq's own.
const Variable = "PGPASSFILE"

// Path is the file from which libpq takes passwords in that environment.
//
// Source: PostgreSQL 18 docs, libpq-pgpass.html.
func Path(env []string) (string, error) {
	if named := environ.LookUp(env, Variable); named != "" {
		return filepath.Abs(named)
	}
	return Default()
}

// Default is the file where libpq looks when nothing names another.
func Default() (string, error) {
	if runtime.GOOS == "windows" {
		dir, err := os.UserConfigDir()
		return filepath.Join(dir, "postgresql", "pgpass.conf"), err
	}
	home, err := os.UserHomeDir()
	return filepath.Join(home, ".pgpass"), err
}

// Listener is a name by which clients reach a listener, as they type it.
type Listener struct {
	Host string
	Port int
}

const (
	about = "(kept by `pgkeyless --local-password`; changes above the end mark are lost)"
	says  = "# local password: "
)

// password is what Update makes, with some room for what people put there: it has no
// character that a line of the file would have to escape. How long it may be is checked
// aside: such repeats make a pattern that every start would pay for.
var password = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

func isPassword(s string) bool { return len(s) >= 20 && len(s) <= 128 && password.MatchString(s) }

// Parse returns the local password in the text of a password file. ok is false where
// there is none.
func Parse(text []byte) (words secret.Text, ok bool, err error) {
	parts, err := markedfile.Split(text)
	if err != nil {
		return secret.Text{}, false, err
	}
	for line := range strings.Lines(string(parts.Inside)) {
		if rest, found := strings.CutPrefix(line, says); found && isPassword(strings.TrimSpace(rest)) {
			return secret.New(strings.TrimSpace(rest)), true, nil
		}
	}
	return secret.Text{}, false, nil
}

// Read returns the local password in the file at path. ok is false where there is none.
func Read(path string) (words secret.Text, ok bool, err error) {
	text, err := markedfile.Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return secret.Text{}, false, nil
	}
	if err == nil {
		words, ok, err = Parse(text)
	}
	return words, ok, err
}

// Update adds lines for listeners to the file at path, and takes those of others out. It
// makes a password where there is none. What it cannot do is a causes.Misuse.
//
// Lines that killed processes have left stay, since nothing tells them from those of
// processes that run. markedfile.Most bounds them.
func Update(path string, add, remove []Listener) error {
	if runtime.GOOS == "windows" && filepath.Base(filepath.Dir(path)) == "postgresql" { // which nobody but libpq's users has
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return causes.MisuseOf(err, help)
		}
	}
	_, err := markedfile.UpdatePrivate(path, func(old []byte) ([]byte, error) { return merge(old, add, remove) })
	if err != nil && causes.Hint(err) == "" {
		err = causes.MisuseOf(fmt.Errorf("the local password cannot be kept: %w", err), help)
	}
	return err
}

const help = "name a password file of your own, in a directory of your own, with " + Variable

// merge returns old with lines for listeners between the marks, and without others.
func merge(old []byte, add, remove []Listener) ([]byte, error) {
	words, ok, err := Parse(old)
	if err != nil {
		return nil, err
	}
	if !ok {
		words = secret.New(rand.Text()) // 130 bits
	}
	parts, err := markedfile.Split(old)
	if err != nil {
		return nil, err
	}
	fresh := lines(add, words)
	dropped := append(keys(add), keys(remove)...)
	for line := range strings.Lines(string(parts.Inside)) {
		line = strings.TrimRight(line, "\r\n")
		key, found := strings.CutSuffix(line, wildcards+words.Reveal())
		if found && !strings.HasPrefix(line, "#") && !slices.Contains(dropped, key) {
			fresh = append(fresh, line)
		}
	}
	var inside bytes.Buffer
	fmt.Fprintln(&inside, says+words.Reveal())
	for _, line := range fresh {
		fmt.Fprintln(&inside, line)
	}
	block := markedfile.Block(about, inside.Bytes())
	if !parts.Marked {
		return append(block, old...), nil
	}
	return slices.Concat(parts.Before, block, parts.After), nil
}

// wildcards stand for every database and user.
const wildcards = ":*:*:"

func lines(all []Listener, words secret.Text) []string {
	var made []string
	for _, key := range keys(all) {
		made = append(made, key+wildcards+words.Reveal())
	}
	return made
}

// keys are the first two fields of lines, in which libpq wants colons and backslashes
// escaped.
func keys(all []Listener) []string {
	var made []string
	escape := strings.NewReplacer(`\`, `\\`, `:`, `\:`)
	for _, l := range all {
		if l.Host != "" && !strings.ContainsAny(l.Host, "\r\n\x00#") {
			made = append(made, escape.Replace(l.Host)+":"+strconv.Itoa(l.Port))
		}
	}
	return made
}
