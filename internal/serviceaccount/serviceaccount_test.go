package serviceaccount

import (
	"strings"
	"testing"
)

func TestOfUser(t *testing.T) {
	long := strings.Repeat("a", 253)
	for username, want := range map[string]string{
		"system:serviceaccount:shop:web":                            "shop/web",
		"system:serviceaccount:shop-1:web.v2":                       "shop-1/web.v2",
		"system:serviceaccount:" + long[:63] + ":" + long:           long[:63] + "/" + long,
		"system:serviceaccount:" + long[:64] + ":web":               "",
		"system:serviceaccount:shop:" + long + "a":                  "",
		"system:serviceaccount:shop.eu:web":                         "",
		"system:serviceaccount:-shop:web":                           "",
		"system:serviceaccount:shop:web-":                           "",
		"system:serviceaccount:Shop:web":                            "",
		"system:serviceaccount:shop:*":                              "",
		"system:serviceaccount:shop:web:more":                       "",
		"system:serviceaccount:shop/web":                            "",
		"system:serviceaccount:shop":                                "",
		"system:serviceaccount::web":                                "",
		"system:serviceaccount:shop:":                               "",
		"system:serviceaccount:shop:web\n":                          "",
		"system:node:web":                                           "",
		"shop:web":                                                  "",
		"":                                                          "",
		"system:serviceaccount:system:serviceaccount:shop:web":      "",
		"system:serviceaccount:shop:system:serviceaccount:shop:web": "",
		"prefixed system:serviceaccount:shop:web":                   "",
		"system:serviceaccount:shop:we\x00b":                        "",
		"system:serviceaccount:sh\u00f6p:web":                       "",
	} {
		a, ok := OfUser(username)
		got := ""
		if ok {
			got = a.String()
		} else if a != (Account{}) {
			t.Errorf("OfUser(%q) is %v and no account", username, a)
		}
		if got != want {
			t.Errorf("OfUser(%q) = %q, want %q", username, got, want)
		}
	}
}

func TestEntries(t *testing.T) {
	web := Account{"shop", "web"}
	for entry, want := range map[string]struct{ is, has bool }{
		"shop/web":        {true, true},
		"shop/*":          {true, true},
		"*":               {true, true},
		"shop/web2":       {true, false},
		"shop/we":         {true, false},
		"shop-1/web":      {true, false},
		"shop-1/*":        {true, false},
		"sho/*":           {true, false},
		"*/*":             {},
		"*/web":           {},
		"shop/we*":        {},
		"shop/":           {},
		"/web":            {},
		"shop":            {},
		"shop:web":        {},
		"shop/web/more":   {},
		"Shop/web":        {},
		"shop/web ":       {},
		"":                {},
		"shop.eu/web":     {},
		"shop/web,shop/*": {},
	} {
		if got := IsEntry(entry); got != want.is {
			t.Errorf("IsEntry(%q) = %v, want %v", entry, got, want.is)
		}
		if got := want.is && web.In(entry); got != want.has {
			t.Errorf("%v is in %q: %v, want %v", web, entry, got, want.has)
		}
	}
}
