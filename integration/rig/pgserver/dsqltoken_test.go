package pgserver

import (
	"maps"
	"net/url"
	"strings"
	"testing"
	"time"
)

const dsqlHost = "abtkpcdmqncdwnx7z2tkqvbzmy.dsql.eu-west-1.on.aws"

// handSignDSQL is handSign for a token of DSQL: for a host without a port, and for nobody.
func handSignDSQL(change map[string]string) string {
	query := map[string]string{
		"Action": "DbConnect", "X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": testKeyID + "/20260304/" + testRegion + "/dsql/aws4_request",
		"X-Amz-Date": "20260304T050607Z", "X-Amz-Expires": "900", "X-Amz-SignedHeaders": "host",
	}
	host := dsqlHost
	maps.Copy(query, change)
	if other, ok := query["host"]; ok {
		host = other
		delete(query, "host")
	}
	for name, value := range query {
		if value == "" {
			delete(query, name)
		}
	}
	t := signedURL{host: host, query: query}
	values := url.Values{}
	for name, value := range query {
		values.Set(name, value)
	}
	if _, scope, err := t.credential(); err == nil {
		values.Set("X-Amz-Signature", t.signature(testSecret, scope))
	}
	return host + "/?" + strings.ReplaceAll(values.Encode(), "+", "%20")
}

func TestDSQLTokens(t *testing.T) {
	const week = 7 * 24 * time.Hour
	for _, test := range []struct {
		name, user string
		token      string
		age        time.Duration
		reason     string // a part of it; empty: accepted
	}{
		{name: "good", user: "app", token: handSignDSQL(nil)},
		{name: "admin", user: "admin", token: handSignDSQL(map[string]string{"Action": "DbConnectAdmin"})},
		{name: "admin by another's token", user: "admin", token: handSignDSQL(nil), reason: `Action of the token is "DbConnect"`},
		{name: "another by admin's token", user: "app", token: handSignDSQL(map[string]string{"Action": "DbConnectAdmin"}), reason: "Action"},
		{name: "with a user", user: "app", token: handSignDSQL(map[string]string{"DBUser": "app"}), reason: "DBUser"},
		{name: "with a port", user: "app", token: handSignDSQL(map[string]string{"host": dsqlHost + ":5432"}), reason: "host of the token"},
		{name: "another cluster's", user: "app", token: handSignDSQL(map[string]string{"host": "z" + dsqlHost[1:]}), reason: "host of the token"},
		{name: "RDS's", user: "app", token: handSignDSQL(map[string]string{"X-Amz-Credential": testKeyID + "/20260304/" + testRegion + "/rds-db/aws4_request"}), reason: "service"},
		{name: "another region's", user: "app", token: handSignDSQL(map[string]string{"X-Amz-Credential": testKeyID + "/20260304/us-east-1/dsql/aws4_request"}), reason: "region"},
		{name: "for a week", user: "app", token: handSignDSQL(map[string]string{"X-Amz-Expires": "604800"}), age: week - time.Second},
		{name: "for a week, and a second later", user: "app", token: handSignDSQL(map[string]string{"X-Amz-Expires": "604800"}), age: week + time.Second, reason: "expired"},
		{name: "for more than a week", user: "app", token: handSignDSQL(map[string]string{"X-Amz-Expires": "604801"}), reason: "X-Amz-Expires"},
		{name: "after a quarter of an hour", user: "app", token: handSignDSQL(nil), age: 15 * time.Minute, reason: "expired"},
		{name: "with a parameter more", user: "app", token: handSignDSQL(nil) + "&x=y", reason: "signature"},
		{name: "a password", user: "app", token: "secret", reason: "not an IAM token"},
	} {
		d := DSQLTokens{Host: dsqlHost, Region: testRegion, Keys: map[string]Key{testKeyID: {Secret: testSecret}}, Now: func() time.Time { return handTime.Add(test.age) }}
		_, err := d.Verify(test.user, test.token)
		if (err == nil) != (test.reason == "") || err != nil && !strings.Contains(err.Error(), test.reason) {
			t.Errorf("%s: %v, want %q", test.name, err, test.reason)
		}
	}
}
