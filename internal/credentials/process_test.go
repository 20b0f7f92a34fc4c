//go:build unix

package credentials

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/testenv"
)

// printing is a config file whose profile "p" has a credential_process that prints
// out, and whose profile "over" has a role on it.
func printing(t *testing.T, out string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "out")
	testenv.Write(t, file, out)
	return "[profile p]\nregion = eu-west-1\ncredential_process = cat '" + file + "'\n" +
		"[profile over]\nregion = eu-west-1\nrole_arn = arn:aws:iam::123456789012:role/one\nsource_profile = p\n"
}

const processKeys = `"Version": 1, "AccessKeyId": "AKIAPROCESS", "SecretAccessKey": "hunter2"`

func TestProcessOutputThatIsRefused(t *testing.T) {
	for _, tc := range []struct{ name, out, detail, hint string }{
		{"an empty Expiration", `{` + processKeys + `, "Expiration": ""}`, `its JSON has "Expiration": "", which is not a time such as "2026-01-31T15:04:05Z"`, "leave Expiration out if the keys do not expire; run"},
		{"a word", `{` + processKeys + `, "Expiration": "never"}`, `"Expiration": "never", which is not a time`, "leave Expiration out"},
		{"zero", `{` + processKeys + `, "Expiration": 0}`, `"Expiration": 0, which is not a time`, "leave Expiration out"},
		{"text before", "Logging in as hunter2 …\n{" + processKeys + `}`, "it prints text before its JSON", "it must print only its JSON"},
		{"a brace in the text before", "{hunter2} says\n{" + processKeys + `}`, "it prints text before its JSON", "only its JSON"},
		{"text behind", "{" + processKeys + `}` + "\nhunter2", "it prints text after its JSON", "only its JSON"},
		{"no JSON", "hunter2", "what it prints is not JSON", "only its JSON"},
		{"a list", `["hunter2"]`, "what it prints is not JSON", "only its JSON"},
		{"half", `{"Version":1,"SecretAccessKey":"hunter2`, "what it prints is not JSON", "only its JSON"},
		{"nothing", "\n", "it printed nothing on stdout", "only its JSON"},
		{"no version", `{"AccessKeyId":"A","SecretAccessKey":"hunter2"}`, `its JSON has no "Version": 1`, "only its JSON"},
		{"another version", `{"Version":2,"AccessKeyId":"A","SecretAccessKey":"hunter2"}`, `its JSON has "Version": 2 in place of 1`, "only its JSON"},
		{"a version in quotes", `{"Version":"1","AccessKeyId":"A","SecretAccessKey":"hunter2"}`, `its JSON has "Version": "1" in place of 1`, "only its JSON"},
		{"no secret key", `{"Version":1,"AccessKeyId":"A"}`, "its JSON has no SecretAccessKey", "only its JSON"},
		{"a number for a key", `{"Version":1,"AccessKeyId":1,"SecretAccessKey":"hunter2"}`, "AccessKeyId in its JSON is not a string", "only its JSON"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			awsFiles(t, printing(t, tc.out), "")
			known, ok := Blamed(retrieve(t, "p"))
			if !ok || known.Cause() != causes.CredentialProcess.Name {
				t.Fatalf("%v, want a credential_process that is to blame", known)
			}
			if !strings.Contains(known.Detail(), tc.detail) || !strings.Contains(known.Hint(), tc.hint) {
				t.Errorf("detail %q, hint %q, want %q and %q", known.Detail(), known.Hint(), tc.detail, tc.hint)
			}
			if said := known.Error() + known.Detail() + known.Hint(); strings.Contains(said, "hunter2") {
				t.Errorf("what was printed is in %q", said)
			}
		})
	}
}

// What the AWS CLI accepts is accepted.
func TestProcessOutputThatIsTaken(t *testing.T) {
	ends := time.Date(2126, 1, 31, 15, 4, 5, 0, time.UTC)
	times := map[string]time.Time{"": {}, `, "Expiration": null`: {}}
	for _, text := range []string{
		"2126-01-31T15:04:05Z", "2126-01-31T16:04:05+01:00", "2126-01-31T15:04:05.000Z", "2126-01-31T15:04:05+0000", "2126-01-31T15:04:05",
		"2126-01-31 15:04:05", "2126-01-31 15:04:05Z", "2126-01-31 15:04:05+00:00", "2126-01-31 15:04:05 +0000 UTC", "21260131T150405Z",
		"Thu, 31 Jan 2126 15:04:05 GMT", "4925545445",
	} {
		times[fmt.Sprintf(`, "Expiration": %q`, text)] = ends
	}
	times[`, "Expiration": 4925545445`] = ends
	times[`, "Expiration": 4925545445000`] = ends
	for text, want := range times {
		keys, err := readKeys([]byte("\uFEFF{" + processKeys + text + "}\r\n"))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if keys.AccessKeyID != "AKIAPROCESS" || keys.SecretAccessKey != "hunter2" || keys.CanExpire != !want.IsZero() || !keys.Expires.Equal(want) {
			t.Errorf("%s: keys end %v, want %v", text, keys.Expires, want)
		}
	}
	keys, err := readKeys([]byte(`{"version": 1.0, "accesskeyid": "A", "SecretAccessKey": "S", "SessionToken": null, "AccountId": 123, "More": {}}`))
	if err != nil || keys.AccessKeyID != "A" || keys.SessionToken != "" {
		t.Errorf("key %q, token %q, %v", keys.AccessKeyID, keys.SessionToken, err)
	}
}

// In a chain it is said whose process it is.
func TestProcessOfASourceProfile(t *testing.T) {
	awsFiles(t, printing(t, "hunter2"), "")
	known, _ := Blamed(retrieve(t, "over"))
	if want := `from profile "over": credential_process of profile "p" returned none`; !strings.Contains(known.Error(), want) {
		t.Errorf("%q, want %q", known, want)
	}
	if want := `run the credential_process of profile "p" by hand`; !strings.Contains(known.Hint(), want) {
		t.Errorf("hint %q, want %q", known.Hint(), want)
	}
}

// Its stderr is logged line by line, cleaned, and its last line is in the DETAIL.
func TestProcessSaysWhatIsWrong(t *testing.T) {
	awsFiles(t, "[profile p]\nregion = eu-west-1\ncredential_process = echo hunter2; printf 'touch your key\\nno\\033[31m key\\n' >&2; exit 4\n", "")
	var log bytes.Buffer
	profiles := Profiles{Log: slog.New(slog.NewJSONHandler(&log, nil))}
	cfg, err := profiles.Config(t.Context(), "p", "")
	if err != nil {
		t.Fatal(err)
	}
	_, err = cfg.Credentials.Retrieve(t.Context())
	known, _ := Blamed(err)
	if want := `credential_process: exit status 4; its stderr ends with: no\x1b[31m key`; known == nil || known.Detail() != want {
		t.Errorf("detail of %v, want %q", err, want)
	}
	var lines []string
	for decode := json.NewDecoder(&log); ; {
		var record map[string]string
		if err := decode.Decode(&record); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, record["level"]+" "+record["msg"]+" "+record["profile"]+": "+record["line"])
	}
	if want := []string{"WARN credential_process says p: touch your key", `WARN credential_process says p: no\x1b[31m key`}; fmt.Sprint(lines) != fmt.Sprint(want) {
		t.Errorf("logged %q, want %q", lines, want)
	}
}

// The process ends with all that it has started: when its time is over, and when
// pgkeyless ends.
func TestProcessEndsWithItsChildren(t *testing.T) {
	for _, end := range []string{"its time is over", "pgkeyless ends"} {
		t.Run(end, func(t *testing.T) {
			pipe := filepath.Join(t.TempDir(), "pipe")
			if err := syscall.Mkfifo(pipe, 0o600); err != nil {
				t.Fatal(err)
			}
			awsFiles(t, "[profile p]\nregion = eu-west-1\ncredential_process = (trap '' HUP TERM; sleep 600) 3> "+pipe+" & wait\n", "")
			opened := make(chan *os.File, 1)
			go func() {
				held, err := os.Open(pipe) // waits for the child
				if err != nil {
					t.Error(err)
				}
				opened <- held
			}()
			patience := 300 * time.Millisecond
			if end == "pgkeyless ends" {
				patience = 10 * time.Minute
			}
			for ; ; patience *= 2 {
				profiles := Profiles{Patience: patience}
				cfg, err := profiles.Config(t.Context(), "p", "")
				if err != nil {
					t.Fatal(err)
				}
				failed := make(chan error, 1)
				go func() {
					_, err := cfg.Credentials.Retrieve(t.Context())
					failed <- err
				}()
				var held *os.File
				select {
				case held = <-opened:
				case err := <-failed:
					failed <- err
					select {
					case held = <-opened:
					default: // on a busy machine, its time was over before there was a child
						continue
					}
				}
				defer held.Close()
				if end == "pgkeyless ends" {
					profiles.End()
				}
				if _, err := io.ReadAll(held); err != nil { // until no process has the pipe
					t.Error(err)
				}
				known, ok := Blamed(<-failed)
				if !ok || known.Cause() != causes.CredentialProcess.Name {
					t.Fatalf("%v, want a credential_process that is to blame", known)
				}
				if want := "it did not finish within " + patience.String(); end == "its time is over" && !strings.Contains(known.Detail(), want) {
					t.Errorf("detail %q, want %q", known.Detail(), want)
				}
				break
			}
		})
	}
}

// Keys that do not say when they end are had anew once they were refused, but not
// one run after the other.
func TestRefusedProcessKeysAreHadAnew(t *testing.T) {
	count := filepath.Join(t.TempDir(), "count")
	awsFiles(t, "[profile p]\nregion = eu-west-1\ncredential_process = echo x >> "+count+"; echo '{"+processKeys+"}'\n", "")
	cfg, err := new(Profiles).Config(t.Context(), "p", "")
	if err != nil {
		t.Fatal(err)
	}
	runs := func() int {
		t.Helper()
		if _, err := cfg.Credentials.Retrieve(t.Context()); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(count)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(text), "x")
	}
	for i, age := range []time.Duration{0, 0, rerunAfter} {
		source := cfg.Credentials.(*cache).source
		if last := source.last.Load(); last != nil {
			older := *last
			older.at = older.at.Add(-age)
			source.last.Store(&older)
			Reread(cfg.Credentials)
		}
		if got, want := runs(), []int{1, 1, 2}[i]; got != want {
			t.Errorf("refused after %v: %d runs, want %d", age, got, want)
		}
	}
	Reread(aws.AnonymousCredentials{}) // has nothing to read
}
