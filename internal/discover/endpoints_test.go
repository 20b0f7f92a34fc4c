package discover

import "testing"

func TestMarkIsThatOfAccountAndRegion(t *testing.T) {
	for host, want := range map[string]string{
		"orders.c9akciq32abc.eu-central-1.rds.amazonaws.com":              "c9akciq32abc",
		"Orders.C9AKCIQ32ABC.eu-central-1.rds.amazonaws.com":              "c9akciq32abc",
		"sales.cluster-c9akciq32abc.eu-central-1.rds.amazonaws.com":       "c9akciq32abc",
		"sales.cluster-ro-c9akciq32abc.eu-central-1.rds.amazonaws.com":    "c9akciq32abc",
		"bi.cluster-custom-c9akciq32abc.eu-central-1.rds.amazonaws.com":   "c9akciq32abc",
		"gate.proxy-c9akciq32abc.eu-central-1.rds.amazonaws.com":          "c9akciq32abc",
		"gate-ro.endpoint.proxy-c9akciq32abc.eu-west-1.rds.amazonaws.com": "c9akciq32abc",
		"orders.c9akciq32abc.rds.cn-north-1.amazonaws.com.cn":             "c9akciq32abc",
		"localhost":         "",
		"db.example.com":    "",
		"a.endpoint.b.c":    "",
		"":                  "",
		"db.-.example.test": "",
	} {
		if got := Mark(host); got != want {
			t.Errorf("Mark(%q) = %q, want %q", host, got, want)
		}
	}
}
