package dbuser

import "testing"

func TestQuote(t *testing.T) {
	for name, want := range map[string]string{
		"ada": `"ada"`, "Ada Lovelace": `"Ada Lovelace"`, `a"; DROP ROLE b; --`: `"a""; DROP ROLE b; --"`, `\`: `"\"`, "": `""`,
	} {
		if got := Quote(name); got != want {
			t.Errorf("Quote(%q) = %s, want %s", name, got, want)
		}
	}
}
