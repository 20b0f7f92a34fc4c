package config

import "testing"

const dsqlExample = "abtkpcdmqncdwnx7z2tkqvbzmy"

// Clusters of Aurora DSQL are named by identifier, ARN or endpoint. All but the bare
// identifier, which could be an RDS database's, say what they are: then user and database
// have defaults. No form needs a jump host but the endpoint of PrivateLink.
func TestNamesOfDSQLClusters(t *testing.T) {
	const arn = "arn:aws:dsql:eu-west-1:111122223333:cluster/" + dsqlExample
	for _, test := range []struct {
		arg, name, ref, user, database string
		way                            bool
	}{
		{dsqlExample, dsqlExample, dsqlExample, "", "", true},
		{"4btkpcdmqncdwnx7z2tkqvbzmy", "4btkpcdmqncdwnx7z2tkqvbzmy", "4btkpcdmqncdwnx7z2tkqvbzmy", "", "", true},
		{arn, dsqlExample, arn, "admin", "postgres", true},
		{arn + "?user=app", dsqlExample, arn, "app", "postgres", true},
		{dsqlExample + ".dsql.eu-west-1.on.aws", dsqlExample + ".dsql.eu-west-1.on.aws", "", "admin", "postgres", true},
		{dsqlExample + ".DSQL.eu-west-1.on.aws.:5432", dsqlExample + ".DSQL.eu-west-1.on.aws.", "", "admin", "postgres", true},
		{dsqlExample + ".dsql.eu-west-1.on.aws?user=app&dbname=other", dsqlExample + ".dsql.eu-west-1.on.aws", "", "app", "other", true},
		{dsqlExample + ".dsql-fnh4.eu-west-1.on.aws", dsqlExample + ".dsql-fnh4.eu-west-1.on.aws", "", "admin", "postgres", false},
		{"orders", "orders", "orders", "", "", true},
		{"orders.dsql.example.com", "orders.dsql.example.com", "", "", "", true},
	} {
		got, err := parseTarget(test.arg, &file{})
		if err != nil {
			t.Errorf("%s: %v", test.arg, err)
			continue
		}
		if got.Name != test.name || got.Ref != test.ref || got.UsualUser() != test.user || got.UsualDatabase() != test.database || (got.CheckWay() == nil) != test.way {
			t.Errorf("%s: name %q, ref %q, user %q, database %q, way %v", test.arg, got.Name, got.Ref, got.UsualUser(), got.UsualDatabase(), got.CheckWay())
		}
	}
	for _, wrong := range []string{
		"arn:aws:dsql:eu-west-1:111122223333:cluster/short", "arn:aws:dsql::111122223333:cluster/" + dsqlExample,
		"arn:aws:dsql:eu-west-1:111122223333:cluster:" + dsqlExample, "arn:aws:dsql:eu-west-1:1:cluster/" + dsqlExample,
	} {
		if got, err := parseTarget(wrong, &file{}); err == nil {
			t.Errorf("%s is taken, as %+v", wrong, got)
		}
	}
}
