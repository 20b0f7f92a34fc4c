package config

import (
	"reflect"
	"strings"
	"testing"
)

func TestUsersOfAFile(t *testing.T) {
	f, err := parseFile("x.yaml", false, []byte(`users:
  ada@example.com:
    database-users: [app, reports]
    read-only: on
    targets: orders
    role-arn: arn:aws:iam::111122223333:role/people/analyst
  user:                        # an identity may be named like an option
    database-users: app
  "system:serviceaccount:shop:*": {database-users: [shop]}
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []User{
		{Identity: "ada@example.com", DatabaseUsers: []string{"app", "reports"}, ReadOnly: true, Targets: []string{"orders"}, RoleARN: "arn:aws:iam::111122223333:role/people/analyst", Place: "x.yaml:2"},
		{Identity: "user", DatabaseUsers: []string{"app"}, Place: "x.yaml:7"},
		{Identity: "system:serviceaccount:shop:*", DatabaseUsers: []string{"shop"}, Place: "x.yaml:9"},
	}
	if !reflect.DeepEqual(f.users, want) {
		t.Errorf("got  %+v\nwant %+v", f.users, want)
	}
}

func TestMistakesInUsers(t *testing.T) {
	for text, want := range map[string]string{
		"users: [ada]":                                                          `users is not a list of keys with values`,
		"users:\n  ada: [app]":                                                  `user "ada" is not a list of keys with values`,
		"users:\n  ada: {}":                                                     `user "ada" has no database-users`,
		"users:\n  ada: {database-users: []}":                                   `user "ada" has no database-users`,
		"users:\n  ada: {database-users: [[app]]}":                              "database-users takes names",
		"users:\n  ada: {database-users: [\"a\\0b\"]}":                          "is no name",
		"users:\n  \"\": {database-users: app}":                                 "is not an identity",
		"users:\n  \"a\\nb\": {database-users: app}":                            "is not an identity",
		"users:\n  ada: {database-users: app}\n  ada: {database-users: x}":      `"ada" appears twice`,
		"users:\n  ada: {database-users: app, role-arn: arn:aws:iam::1:role/x}": "is not the ARN of a role",
		"users:\n  ada: {database-users: app, role-arn: arn:aws:sts::111122223333:assumed-role/x/y}": "is not the ARN of a role",
		"users:\n  ada: {database-users: app, read-only: [true]}":                                    "takes one value",
		"users:\n  ada: {database-users: app, user: x}":                                              `unknown key "user"`,
		"users:\n  ada: &a {database-users: app}\n  bob: *a":                                         "anchors and aliases",
	} {
		if _, err := parseFile("x.yaml", false, []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if _, err := parseFile("x.yaml", true, []byte("users:\n  ada: {database-users: app}")); err == nil || !strings.Contains(err.Error(), "may not set this") {
		t.Errorf("a file of a project: %v", err)
	}
}
