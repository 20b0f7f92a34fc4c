package discover

import (
	"slices"
	"testing"

	"github.com/aws/smithy-go"

	"github.com/pgkeyless/pgkeyless/internal/awsapi/rds"
	"github.com/pgkeyless/pgkeyless/internal/awserror"
)

func TestGreenNamesLoseTheirSuffix(t *testing.T) {
	const rest = ".abc123.eu-central-1.rds.amazonaws.com"
	for host, want := range map[string]string{
		"orders-green-a1b2c3" + rest:                                           "orders" + rest,
		"orders-green-a1b2c3.cluster-abc123.eu-central-1.rds.amazonaws.com":    "orders.cluster-abc123.eu-central-1.rds.amazonaws.com",
		"orders-green-a1b2c3.cluster-ro-abc123.eu-central-1.rds.amazonaws.com": "orders.cluster-ro-abc123.eu-central-1.rds.amazonaws.com",
		"orders" + rest:                ``,
		"orders-green" + rest:          ``,
		"orders-green-a1b2c" + rest:    ``,
		"orders-green-a1b2c3d" + rest:  ``,
		"orders-green-a1b2c3-x" + rest: ``,
		"-green-a1b2c3" + rest:         ``,
		"orders-green-a1b2c3":          ``,
	} {
		if got := AfterSwitchover(host); got != want {
			t.Errorf("AfterSwitchover(%q) = %q, want %q", host, got, want)
		}
	}
}

// deployment is a blue/green deployment whose environments and their instances have these
// names.
func deployment(kind string, names ...[2]string) rds.Deployment {
	var d rds.Deployment
	for i, pair := range names {
		blue, green := testARN+kind+":"+pair[0], testARN+kind+":"+pair[1]
		if i == 0 {
			d.Source, d.Target = blue, green
			continue
		}
		d.Members = append(d.Members, rds.Pair{Source: blue, Target: green})
	}
	return d
}

func TestCounterpartsOfABlueGreenDeployment(t *testing.T) {
	api := &fakeRDS{blueGreen: []rds.Deployment{
		deployment("db", [2]string{"other", "other-green-zzzzzz"}),
		deployment("db", [2]string{"orders", "orders-green-a1b2c3"}, [2]string{"orders-replica", "orders-replica-green-d4e5f6"}),
		deployment("cluster", [2]string{"orders", "orders-green-c1c1c1"}),
		deployment("db", [2]string{"shop-old1", "shop"}), // after its switchover
		{Source: testARN + "db:orders"},                  // which is being created
	}}
	f, err := New(Config{Region: testRegion, RDS: api})
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string][]string{
		"orders.abc123.eu-central-1.rds.amazonaws.com":                {"orders-green-a1b2c3.abc123.eu-central-1.rds.amazonaws.com"},
		"orders-green-a1b2c3.abc123.eu-central-1.rds.amazonaws.com":   {"orders.abc123.eu-central-1.rds.amazonaws.com"},
		"orders-replica.abc123.eu-central-1.rds.amazonaws.com":        {"orders-replica-green-d4e5f6.abc123.eu-central-1.rds.amazonaws.com"},
		"orders.cluster-abc123.eu-central-1.rds.amazonaws.com":        {"orders-green-c1c1c1.cluster-abc123.eu-central-1.rds.amazonaws.com"},
		"orders.cluster-ro-abc123.eu-central-1.rds.amazonaws.com":     {"orders-green-c1c1c1.cluster-ro-abc123.eu-central-1.rds.amazonaws.com"},
		"shop.abc123.eu-central-1.rds.amazonaws.com":                  nil,
		"nothing.abc123.eu-central-1.rds.amazonaws.com":               nil,
		"orders.proxy-abc123.eu-central-1.rds.amazonaws.com":          nil,
		"orders.cluster-custom-abc123.eu-central-1.rds.amazonaws.com": nil,
	} {
		got, err := f.Counterparts(t.Context(), host)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("Counterparts(%s) = %v, %v, want %v", host, got, err, want)
		}
	}
}

func TestDeniedCounterpartsNameThePermission(t *testing.T) {
	api := &fakeRDS{errs: map[string]error{"DescribeBlueGreenDeployments": &smithy.GenericAPIError{Code: "AccessDenied", Message: "no"}}}
	f, err := New(Config{Region: testRegion, RDS: api})
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Counterparts(t.Context(), "orders.abc123.eu-central-1.rds.amazonaws.com")
	if !awserror.Denied(err) {
		t.Errorf("Counterparts: %v, want a denial", err)
	}
}
