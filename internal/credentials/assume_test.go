package credentials

import (
	"regexp"
	"strings"
	"testing"
)

func TestSessionNames(t *testing.T) {
	form := regexp.MustCompile(`^[A-Za-z0-9_+=,.@-]{2,64}$`)
	seen := map[string]string{}
	for person, begins := range map[string]string{
		"ada":                            "ada",
		"ada@example.com":                "ada@example.com",
		"a":                              "a-",
		"":                               "-",
		"aws:ada":                        "aws-ada-",
		"aws-ada":                        "aws-ada",
		"system:serviceaccount:shop:api": "system-serviceaccount-shop-api-",
		"system-serviceaccount:shop:api": "system-serviceaccount-shop-api-",
		"spiffe://example.org/ns/shop":   "spiffe---example.org-ns-shop-",
		"Ådå":                            "-d--",
		strings.Repeat("x", 64):          strings.Repeat("x", 64),
		strings.Repeat("x", 65):          strings.Repeat("x", 47) + "-",
		"two\nlines":                     "two-lines-",
	} {
		got := Assumed{Person: person}.SessionName()
		if !form.MatchString(got) || !strings.HasPrefix(got, begins) {
			t.Errorf("%q: %q, want %s…", person, got, begins)
		}
		if other, twice := seen[got]; twice {
			t.Errorf("%q and %q are both %q", person, other, got)
		}
		seen[got] = person
	}
}

func TestARNOfARoleSession(t *testing.T) {
	for role, want := range map[string]string{
		"arn:aws:iam::111122223333:role/analyst":               "arn:aws:sts::111122223333:assumed-role/analyst/ada",
		"arn:aws-us-gov:iam::111122223333:role/a/path/analyst": "arn:aws-us-gov:sts::111122223333:assumed-role/analyst/ada",
		"analyst": "",
	} {
		if got := (Assumed{Role: role, Person: "ada"}).ARN(); got != want {
			t.Errorf("%s: %q, want %q", role, got, want)
		}
	}
}
