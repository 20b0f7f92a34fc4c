package credentials

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/testenv"
)

func TestViewsAskNobody(t *testing.T) {
	cat := "cat "
	if runtime.GOOS == "windows" {
		cat = "type "
	}
	home := awsFiles(t, "[profile dev]\ncredential_process = "+cat+filepath.Join(t.TempDir(), "absent")+"\n", "")
	p := new(Profiles)
	if got := p.Views(); len(got) != 0 {
		t.Errorf("before any profile is in use: %+v", got)
	}
	cfg, err := p.Config(t.Context(), "dev", "eu-west-1")
	if err != nil {
		t.Fatal(err)
	}
	view := func() View {
		t.Helper()
		all := p.Views()
		if len(all) != 1 || all[0].Profile != "dev" {
			t.Fatalf("views %+v, want one of dev", all)
		}
		return all[0]
	}
	if got := view(); !got.Retrieved.IsZero() || got.Failed != nil {
		t.Errorf("before the first retrieval: %+v", got)
	}
	if _, err := cfg.Credentials.Retrieve(t.Context()); err == nil {
		t.Fatal("keys of a process that prints nothing")
	}
	got := view()
	if known, ok := Blamed(got.Failed); !ok || causes.Hint(known) == "" || !got.Retrieved.IsZero() {
		t.Errorf("after a failure: %+v", got)
	}
	ends := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	testenv.Write(t, filepath.Join(home, "keys.json"), `{"Version":1,"AccessKeyId":"`+exampleKey+`","SecretAccessKey":"`+exampleSecret+
		`","SessionToken":"t","AccountId":"111122223333","Expiration":"`+ends.Format(time.RFC3339)+`"}`)
	testenv.Write(t, os.Getenv("AWS_CONFIG_FILE"), "[profile dev]\ncredential_process = "+cat+filepath.Join(home, "keys.json")+"\n")
	if _, err := cfg.Credentials.Retrieve(t.Context()); err != nil {
		t.Fatal(err)
	}
	got = view()
	if got.Failed != nil || got.Retrieved.IsZero() || !got.Expires.Equal(ends) || got.Account != "111122223333" || !got.Renewable {
		t.Errorf("after a success: %+v, want until %v", got, ends)
	}
}

// Temporary keys that stand somewhere cannot be renewed by pgkeyless.
func TestViewOfKeysThatNobodyRenews(t *testing.T) {
	for _, test := range []struct {
		token     string
		renewable bool
	}{{"", true}, {"aws_session_token = t\n", false}} {
		awsFiles(t, "", "[default]\naws_access_key_id = "+exampleKey+"\naws_secret_access_key = "+exampleSecret+"\n"+test.token)
		p := new(Profiles)
		cfg, err := p.Config(t.Context(), "", "eu-west-1")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := cfg.Credentials.Retrieve(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := p.Views()[0]; got.Renewable != test.renewable || !got.Expires.IsZero() {
			t.Errorf("session token %q: %+v, want renewable %v", test.token, got, test.renewable)
		}
	}
}
