package access

import (
	"strings"
	"testing"

	"github.com/xdg-go/scram"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// recorded is what PostgreSQL 15 stored for the password "pencil".
const recorded = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

// login is SCRAM between the library's client and a verifier.
func login(t *testing.T, known scram.StoredCredentials, password string) bool {
	t.Helper()
	client, err := scram.SHA256.NewClient("", password, "")
	if err != nil {
		t.Fatal(err)
	}
	server, err := scram.SHA256.NewServer(func(string) (scram.StoredCredentials, error) { return known, nil })
	if err != nil {
		t.Fatal(err)
	}
	c, s := client.NewConversation(), server.NewConversation()
	said := ""
	for !c.Done() && !s.Done() {
		if said, err = c.Step(said); err != nil {
			return false
		}
		if said, err = s.Step(said); err != nil {
			return false
		}
	}
	_, err = c.Step(said)
	return err == nil && c.Valid() && s.Valid()
}

func TestVerifierServesItsPassword(t *testing.T) {
	made, err := Verifier("s3cret ü", []byte("0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	known, err := parseVerifier(made)
	if err != nil {
		t.Fatal(err)
	}
	if !login(t, known, "s3cret ü") || login(t, known, "s3cret u") {
		t.Errorf("verifier %s does not tell the password from another", made)
	}
	known, err = parseVerifier(recorded)
	if err != nil || !login(t, known, "pencil") || login(t, known, "pen") {
		t.Errorf("a verifier of PostgreSQL's: %v", err)
	}
	mock := (&Passwords{mock: []byte("x")}).mocked("nobody")
	if login(t, mock, "") || login(t, mock, "x") {
		t.Error("a user that does not exist logs in")
	}
}

func TestUserlist(t *testing.T) {
	list, err := parseUserlist("; a comment\n\n\"ada\" \""+recorded+"\"\n\"o\"\"brien\"\t\""+recorded+"\"\r\n", "f")
	if err != nil || len(list) != 2 || list["o\"brien"].Iters != 4096 {
		t.Errorf("got %+v, %v", list, err)
	}
	for name, text := range map[string]string{
		"a password":      `"ada" "s3cret"`,
		"MD5":             `"ada" "md55f4dcc3b5aa765d61d8327deb882cf99"`,
		"no secret":       `"ada"`,
		"no quotes":       "ada " + recorded,
		"not closed":      `"ada" "` + recorded,
		"more":            `"ada" "` + recorded + `" x`,
		"twice":           `"ada" "` + recorded + "\"\n\"ada\" \"" + recorded + `"`,
		"no name":         `"" "` + recorded + `"`,
		"no base64":       `"ada" "` + strings.Replace(recorded, "W22Z", "!!!!", 1) + `"`,
		"short keys":      `"ada" "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$AAAA:AAAA"`,
		"huge iterations": `"ada" "` + strings.Replace(recorded, "4096", "999999999", 1) + `"`,
	} {
		_, err := parseUserlist("\n"+text, "users.txt")
		if !causes.Misused(err) || !strings.Contains(err.Error(), "users.txt:") || causes.Hint(err) == "" {
			t.Errorf("%s: %v, hint %q", name, err, causes.Hint(err))
		}
		if err != nil && (strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "WG5d8o") || strings.Contains(err.Error(), "5f4dcc")) {
			t.Errorf("%s: the secret is in the error: %v", name, err)
		}
	}
}

func FuzzUserlist(f *testing.F) {
	f.Add(`"ada" "` + recorded + `"`)
	f.Add("\"a\"\"\" \"\"")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parseUserlist(text, "f")
		if err == nil && len(list) > strings.Count(text, "\n")+1 {
			t.Errorf("%d users in %q", len(list), text)
		}
	})
}
