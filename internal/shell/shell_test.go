package shell

import "testing"

func TestWordIsOneWordToAShell(t *testing.T) {
	for s, want := range map[string]string{
		"": "''", "dev": "dev", "orders-prod_1.eu@x:5432": "orders-prod_1.eu@x:5432", "my profile": "'my profile'", "-x": "'-x'",
		"it's": `'it'\''s'`, "$(id)": "'$(id)'", "a;b": "'a;b'", "größe": "'größe'", "tag:Role=jump": "'tag:Role=jump'",
	} {
		if got := Word(s); got != want {
			t.Errorf("Word(%q) = %s, want %s", s, got, want)
		}
	}
}
