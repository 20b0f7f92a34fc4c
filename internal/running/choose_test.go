package running

import (
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/testenv"
)

// Several targets may lead to one database, and one identifier to several: nobody
// is led to another database than the one asked for, nor to another target of the
// same file.
func TestTargetsAreToldApart(t *testing.T) {
	const (
		sales     = "sales.cluster-c9akciq32abc.eu-central-1.rds.amazonaws.com"
		readers   = "sales.cluster-ro-c9akciq32abc.eu-central-1.rds.amazonaws.com"
		guarded   = "targets: {orders: {database: " + testenv.Orders + "}, orders-ro: {database: " + testenv.Orders + ", read-only: true, user: report}}"
		accounts  = "targets: {dev: {database: orders}, prod: {database: orders, profile: prod}}"
		regions   = "targets: {eu: {database: orders, region: eu-central-1}, us: {database: orders, region: us-east-1}}"
		endpoints = "targets: {rw: {database: sales}, ro: {database: sales, endpoint: reader}}"
		arn       = "arn:aws:rds:eu-central-1:111122223333:db:orders"
	)
	for _, tt := range []struct {
		name   string
		file   string   // of the proxy and of the second terminal
		served []string // in this order
		other  string   // the file of the second terminal, where it is another
		asked  string
		want   string // the name of what is found; "" for nothing
	}{
		{"the guarded one beside its sibling", guarded, []string{"orders", "orders-ro"}, "", "orders-ro", "orders-ro"},
		{"the sibling beside the guarded one", guarded, []string{"orders-ro", "orders"}, "", "orders", "orders"},
		{"the guarded one alone", guarded, []string{"orders"}, "", "orders-ro", ""},
		{"the sibling alone", guarded, []string{"orders-ro"}, "", "orders", ""},
		{"one of two accounts", accounts, []string{"dev", "prod"}, "", "prod", "prod"},
		{"the other account alone", accounts, []string{"dev"}, "", "prod", ""},
		{"the first account alone", accounts, []string{"prod"}, "", "dev", ""},
		{"one of two regions", regions, []string{"eu", "us"}, "", "us", "us"},
		{"the other region alone", regions, []string{"eu"}, "", "us", ""},
		{"one of two endpoints", endpoints, []string{"rw", "ro"}, "", "ro", "ro"},
		{"the writer alone", endpoints, []string{"rw"}, "", "ro", ""},
		{"the readers alone", endpoints, []string{"ro"}, "", "rw", ""},
		{"another project's account", "targets: {orders: {database: orders, profile: dev}}", []string{"orders"}, "targets: {orders: {database: orders, profile: prod}}", "orders", ""},
		{"a project without a profile", "targets: {orders: {database: orders, profile: dev}}", []string{"orders"}, "targets: {orders: {database: orders}}", "orders", "orders"},

		{"an ARN in another region", "", []string{arn}, "", "arn:aws:rds:us-east-1:111122223333:db:orders", ""},
		{"an ARN in another account", "", []string{arn}, "", "arn:aws:rds:eu-central-1:444455556666:db:orders", ""},
		{"an ARN beside a name of the file", "targets: {orders: {database: " + testenv.Billing + "}}", []string{"orders"}, "", arn, ""},
		{"an endpoint in another region than the ARN", "", []string{"arn:aws:rds:us-east-1:111122223333:db:orders"}, "", testenv.Orders, ""},
		{"an endpoint in the ARN's region", "", []string{arn}, "", testenv.Orders, arn},
		{"an ARN in the endpoint's region", "", []string{testenv.Orders}, "", arn, testenv.Orders},
		{"the readers' endpoint beside the writer", "", []string{"sales"}, "", readers, ""},
		{"the writer's endpoint", "", []string{"sales"}, "", sales, "sales"},
		{"the writer beside the readers' endpoint", "", []string{readers}, "", "sales", ""},
		{"the region of the ARN", "", []string{arn}, "", "orders?region=eu-central-1", arn},
		{"another region than the ARN's", "", []string{arn}, "", "orders?region=us-east-1", ""},
		{"with the final dot", "", []string{testenv.Orders}, "", testenv.Orders + ".", testenv.Orders},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var all []Served
			for _, target := range tt.served {
				s := Describe(load(t, tt.file, nil, nil, target), nil)
				s.Address = target
				all = append(all, s)
			}
			if tt.other == "" {
				tt.other = tt.file
			}
			asked := load(t, tt.other, nil, nil, tt.asked)
			s, ok := choose(all, asked)
			if ok = ok && len(s.differences(asked)) == 0; ok != (tt.want != "") || ok && s.Address != tt.want {
				t.Errorf("found %q: %v, want %q", s.Address, ok, tt.want)
			}
		})
	}
}

// What the command line says picks one of two proxies for a target, and is not
// answered by another target where it contradicts.
func TestCommandLinePicksAProxy(t *testing.T) {
	const file = "targets: {orders: {database: " + testenv.Orders + "}, o: {database: " + testenv.Orders + "}}"
	flags := func(via string) map[string]string { return map[string]string{"via": via} }
	var all []Served
	for _, via := range []string{"i-01234567", testenv.Jump} {
		all = append(all, Describe(load(t, file, nil, flags(via), "orders"), nil))
	}
	all = append(all, Describe(load(t, file, nil, flags("i-89abcdef"), "o"), nil))
	for via, found := range map[string]bool{"i-01234567": true, testenv.Jump: true, "i-89abcdef": false, "i-00000000": false} {
		asked := load(t, file, nil, flags(via), "orders")
		s, ok := choose(all, asked)
		if !ok || s.Name != "orders" || found != (len(s.differences(asked)) == 0) {
			t.Errorf("--via %s: %+v, %v; want one that fits: %v", via, s, ok, found)
		}
	}
}

// A client is told the user that it will be, whatever the second terminal's
// variables say.
func TestPlaceNamesTheUserOfTheProxy(t *testing.T) {
	const file = "targets: {orders: {database: " + testenv.Orders + ", user: app}, billing: {database: " + testenv.Billing + "}}"
	for target, want := range map[string]string{"orders": "app", "billing": "ada"} {
		s := Describe(load(t, file, nil, nil, target), nil)
		if got := s.Place(load(t, file, []string{"PGKEYLESS_USER=ada"}, nil, target), true).User; got != want {
			t.Errorf("%s: user %q, want %q", target, got, want)
		}
	}
}
