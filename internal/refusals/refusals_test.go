package refusals

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/auth"
	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/clock"
	"github.com/pgkeyless/pgkeyless/internal/credentials"
)

const callerARN = "arn:aws:sts::111122223333:assumed-role/developer/ada"

func TestRefusalsAreExplained(t *testing.T) {
	pam := Refused{User: "ada", SQLState: "28000", Message: `PAM authentication failed for user "ada"`}
	asked := Refused{User: "ada", SQLState: "28000", Asked: "a SCRAM password"}
	password := Refused{User: `a"b`, SQLState: "28P01", Message: `password authentication failed for user "a"b"`}
	const statement = `{"Effect":"Allow","Action":"rds-db:connect","Resource":"arn:aws:rds-db:eu-west-1:111122223333:dbuser:RESOURCE-ID/ada"}`
	for _, tc := range []struct {
		name         string
		refused      Refused
		caller       credentials.Caller
		clock        clock.Reading
		described    Described
		guessed      bool
		endpoint     string
		cause        string
		detail, hint string // parts of them
		never        string // not in the hint
	}{
		{name: "PAM", refused: pam, cause: "token-refused",
			detail: `as user "ada" with an IAM token of ` + callerARN + `, signed for orders.c1.eu-west-1.rds.amazonaws.com:5432 in eu-west-1, jump host i-1`, hint: statement},
		{name: "resource id known", refused: pam, described: Described{ResourceID: "db-REAL", Account: "999988887777"}, cause: "token-refused",
			hint: "arn:aws:rds-db:eu-west-1:999988887777:dbuser:db-REAL/ada"},
		{name: "clock behind", refused: pam, caller: credentials.Caller{ARN: callerARN}, clock: clock.Reading{Known: true, Ahead: -7 * time.Minute}, cause: "clock-wrong",
			detail: "; this machine's clock is 7m0s behind AWS's", hint: "set this machine's clock"},
		{name: "clock ahead", refused: pam, caller: credentials.Caller{ARN: callerARN}, clock: clock.Reading{Known: true, Ahead: time.Hour}, cause: "clock-wrong", detail: "1h0m0s ahead of AWS's", hint: "set"},
		{name: "clock a little off", refused: pam, caller: credentials.Caller{ARN: callerARN}, clock: clock.Reading{Known: true, Ahead: -2 * time.Minute}, cause: "token-refused", detail: "2m0s behind", hint: statement[:20]},
		{name: "IAM off", refused: pam, described: Described{TokensOff: true, Enable: "aws rds modify-db-instance"}, cause: "iam-authentication-off",
			detail: "signed for", hint: "`aws rds modify-db-instance` switches it on"},
		{name: "region guessed", refused: pam, guessed: true, endpoint: "db.example.com", cause: "region-guessed", hint: "the token is for eu-west-1"},
		{name: "other words with 28000", refused: Refused{User: "ada", SQLState: "28000", Message: "no"}, cause: "token-refused", hint: "rds-db:connect"},
		{name: "another password", refused: asked, cause: "other-password", detail: "clear-text", hint: `GRANT rds_iam TO "ada"`},
		{name: "not granted", refused: password, cause: "user-not-granted", detail: "tried to log in", hint: `GRANT rds_iam TO "a""b"`},
		{name: "master user", refused: Refused{User: "postgres", SQLState: "28P01", Message: "password authentication failed"}, cause: "master-user",
			hint: "log in as a user that is granted rds_iam", never: `TO "postgres"`},
		{name: "master user, SCRAM", refused: Refused{User: "postgres", Asked: "a SCRAM password"}, cause: "master-user", hint: "log in as a user", never: `TO "postgres"`},
		{name: "DSQL", refused: Refused{User: "ada", SQLState: "08006", Message: "unable to accept connection, access denied"}, endpoint: "abc.dsql.eu-west-1.on.aws",
			cause: "dsql-refused", hint: `"dsql:DbConnect","Resource":"arn:aws:dsql:eu-west-1:111122223333:cluster/abc"`},
		{name: "DSQL's admin", refused: Refused{User: "admin", SQLState: "08006", Message: "unable to accept connection, access denied"}, endpoint: "abc.dsql.eu-west-1.on.aws",
			cause: "dsql-refused", hint: "dsql:DbConnectAdmin"},
		{name: "DSQL, of an expired token", refused: Refused{User: "admin", SQLState: "28000", Message: `IAM authentication failed for user "admin"`}, endpoint: "abc.dsql.eu-west-1.on.aws",
			cause: "dsql-refused", hint: "dsql:DbConnectAdmin"},
		{name: "DSQL, with a clock that is wrong", refused: Refused{User: "admin", SQLState: "08006", Message: "unable to accept connection, access denied"}, endpoint: "abc.dsql.eu-west-1.on.aws",
			caller: credentials.Caller{ARN: callerARN}, clock: clock.Reading{Known: true, Ahead: -time.Hour}, cause: "clock-wrong", hint: "set this machine's clock"},
		{name: "DSQL's role", refused: Refused{User: "app", SQLState: "08006", Message: "unable to accept connection, access denied"}, endpoint: "abc.dsql.eu-west-1.on.aws",
			caller: credentials.Caller{ARN: "arn:aws:sts::111122223333:assumed-role/developer/ada"}, cause: "dsql-refused", hint: `AWS IAM GRANT "app" TO 'arn:aws:iam::111122223333:role/developer'`},
		{name: "DSQL is full", refused: Refused{User: "app", SQLState: "53300", Message: "Unable to accept connection, too many open connections."}, endpoint: "abc.dsql.eu-west-1.on.aws",
			cause: "dsql-full", hint: "close unused ones", never: "security group"},
		{name: "DSQL refuses a parameter", refused: Refused{User: "app", SQLState: "0A000", Message: `setting configuration parameter "statement_timeout" not supported`}, endpoint: "abc.dsql.eu-west-1.on.aws",
			cause: "dsql-setting", hint: "remove read-only or statement-timeout from the target"},
		{name: "no such database", refused: Refused{User: "ada", SQLState: "3D000", Message: `Datenbank »ada« existiert nicht`}, cause: "no-database", detail: "the login succeeded", hint: "case-sensitive"},
		{name: "no right to connect", refused: Refused{User: "ada", SQLState: "42501", Message: `permission denied for database "app"`}, cause: "no-connect", detail: "the login succeeded", hint: `GRANT CONNECT on this database to "ada"`},
		{name: "another right", refused: Refused{User: "ada", SQLState: "42501", Message: `permission denied to set role "x"`}},
		{name: "something else", refused: Refused{User: "ada", SQLState: "53300", Message: "too many clients already"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.endpoint == "" {
				tc.endpoint = "orders.c1.eu-west-1.rds.amazonaws.com"
			}
			if tc.caller == (credentials.Caller{}) {
				tc.caller = credentials.Caller{ARN: callerARN, Account: "111122223333"}
			}
			endpoint, err := auth.ParseEndpoint(tc.endpoint)
			if err != nil {
				t.Fatal(err)
			}
			f := &Refusals{
				Name: endpoint.Host, Endpoint: endpoint.InRegion("eu-west-1"), JumpHost: "i-1", RegionGuessed: tc.guessed,
				WhoAmI:   func(context.Context) (credentials.Caller, clock.Reading, error) { return tc.caller, tc.clock, nil },
				Describe: func(context.Context) (Described, error) { return tc.described, nil },
			}
			cause, told, ok := f.Explain(t.Context(), tc.refused)
			if cause.Name != tc.cause || ok != (tc.cause != "") {
				t.Fatalf("cause %q, %v, want %q", cause.Name, ok, tc.cause)
			}
			if !strings.Contains(told.Detail, tc.detail) || !strings.Contains(told.Hint, tc.hint) || tc.never != "" && strings.Contains(told.Hint, tc.never) {
				t.Errorf("detail %q, hint %q, want %q and %q", told.Detail, told.Hint, tc.detail, tc.hint)
			}
			if said := told.Detail + told.Hint; strings.ContainsAny(strings.ReplaceAll(said, tc.hint, ""), "{[") && !strings.Contains(said, "Effect") {
				t.Errorf("places left open: %q", said)
			}
		})
	}
}

// TestUnservedTargetIsNoUserToGrant has users of a shared port that end in a word:
// it may be a mistyped target, for which nobody should grant anything. What is
// known of a token stays.
func TestUnservedTargetIsNoUserToGrant(t *testing.T) {
	endpoint, err := auth.ParseEndpoint("orders.c1.eu-west-1.rds.amazonaws.com")
	if err != nil {
		t.Fatal(err)
	}
	const user = "app@ordesr"
	for _, tc := range []struct {
		name    string
		refused Refused
		ahead   time.Duration
		cause   string // "" where the word does not matter
		message string
		hint    string // part of it
	}{
		{"password", Refused{SQLState: "28P01", Message: `password authentication failed for user "app@ordesr"`}, 0, "target-not-served", "", "granted rds_iam"},
		{"another password", Refused{SQLState: "28000", Asked: "a SCRAM password"}, 0, "target-not-served", `orders asks for a SCRAM password for user "app@ordesr", not for an IAM token`, ""},
		{"no role", Refused{SQLState: "28000", Message: `role "app@ordesr" does not exist`}, 0, "target-not-served", "", ""},
		{"no secret", Refused{SQLState: "28000", Message: `This RDS proxy has no credentials for the role app@ordesr.`}, 0, "target-not-served", "", ""},
		{"DSQL", Refused{SQLState: "08006", Message: "unable to accept connection, access denied"}, 0, "target-not-served", "", ""},
		{"token", Refused{SQLState: "28000", Message: `PAM authentication failed for user "app@ordesr"`}, 0, "target-not-served", "", "rds-db:connect"},
		{"RDS Proxy's token", Refused{SQLState: "28000", Message: "Check the IAM token for this role and try again."}, 0, "target-not-served", "", "prx-"},
		{"a wrong clock", Refused{SQLState: "28000", Message: `PAM authentication failed for user "app@ordesr"`}, time.Hour, "clock-wrong", "", "set this machine's clock"},
		{"a role that exists", Refused{SQLState: "28000", Message: `role "app@ordesr" is not permitted to log in`}, 0, "no-login", "", "ALTER ROLE"},
		{"no such database", Refused{SQLState: "3D000", Message: `database "app" does not exist`}, 0, "no-database", "", "case-sensitive"},
	} {
		f := &Refusals{Name: "orders", Endpoint: endpoint, WhoAmI: func(context.Context) (credentials.Caller, clock.Reading, error) {
			return credentials.Caller{ARN: callerARN}, clock.Reading{Known: true, Ahead: tc.ahead}, nil
		}}
		tc.refused.User, tc.refused.Unserved, tc.refused.Served = user, "ordesr", "orders, billing"
		cause, told, _ := f.Explain(t.Context(), tc.refused)
		if cause.Name != tc.cause || told.Message != tc.message || !strings.Contains(told.Hint, tc.hint) {
			t.Errorf("%s: cause %q, message %q, hint %q; want %q, %q and %q", tc.name, cause.Name, told.Message, told.Hint, tc.cause, tc.message, tc.hint)
		}
		if tc.cause == "target-not-served" {
			if !strings.HasPrefix(told.Hint, `there is no target "ordesr" here, the targets are orders, billing; `) || strings.Contains(told.Hint, "GRANT") || strings.Contains(told.Hint, "CREATE") {
				t.Errorf("%s: hint %q, want the targets and no GRANT", tc.name, told.Hint)
			}
			if !strings.Contains(told.Detail, `as user "app@ordesr"`) {
				t.Errorf("%s: detail %q", tc.name, told.Detail)
			}
		}
	}
}

// What cannot be asked is left out, and its failure is nobody's business.
func TestRefusalsWithoutAnswers(t *testing.T) {
	endpoint, err := auth.ParseEndpoint("orders.c1.eu-west-1.rds.amazonaws.com")
	if err != nil {
		t.Fatal(err)
	}
	pam := Refused{User: "ada", SQLState: "28000", Message: `PAM authentication failed for user "ada"`}
	no := errors.New("no")
	for name, f := range map[string]*Refusals{
		"nobody to ask": {Name: "orders", Endpoint: endpoint},
		"no answer": {Name: "orders", Endpoint: endpoint,
			WhoAmI: func(context.Context) (credentials.Caller, clock.Reading, error) {
				return credentials.Caller{ARN: "half"}, clock.Reading{}, no
			},
			Describe: func(context.Context) (Described, error) { return Described{TokensOff: true}, no }},
	} {
		_, told, _ := f.Explain(t.Context(), pam)
		if want := `tried to log in to orders as user "ada" with an IAM token, signed for orders.c1.eu-west-1.rds.amazonaws.com:5432 in eu-west-1`; told.Detail != want {
			t.Errorf("%s: detail %q, want %q", name, told.Detail, want)
		}
		if want := "arn:aws:rds-db:eu-west-1:*:dbuser:RESOURCE-ID/ada"; !strings.Contains(told.Hint, want) {
			t.Errorf("%s: hint %q, want one with %q", name, told.Hint, want)
		}
	}
}

func TestOnlyRefusalsThatMayPassAreRepeated(t *testing.T) {
	for _, tc := range []struct {
		refused Refused
		want    bool
	}{
		{Refused{SQLState: "28000", Message: `PAM authentication failed for user "ada"`}, true},
		{Refused{SQLState: "28000", Message: `The IAM authentication failed for the role ada. Check the IAM token for this role and try again.`}, true},
		{Refused{SQLState: "28P01", Message: `password authentication failed for user "ada"`}, false},
		{Refused{SQLState: "28000", Message: `no pg_hba.conf entry for host`}, false},
		{Refused{SQLState: "28000", Asked: "a SCRAM password"}, false},
		{Refused{SQLState: "53300", Message: "too many clients already"}, false},
	} {
		if got := tc.refused.Passing(); got != tc.want {
			t.Errorf("%+v: passing %v, want %v", tc.refused, got, tc.want)
		}
	}
}

// Keys that have ended still sign: AWS's word for them comes first.
func TestRefusalByKeysThatHaveEnded(t *testing.T) {
	endpoint, err := auth.ParseEndpoint("orders.c1.eu-west-1.rds.amazonaws.com")
	if err != nil {
		t.Fatal(err)
	}
	f := &Refusals{Name: "orders", Endpoint: endpoint, WhoAmI: func(context.Context) (credentials.Caller, clock.Reading, error) {
		return credentials.Caller{}, clock.Reading{}, fmt.Errorf("asking AWS: %w", causes.KeysExpired.New(causes.Facts{"from": "from profile \"dev\""}, errors.New("ExpiredToken")))
	}}
	cause, told, ok := f.Explain(t.Context(), Refused{User: "app", SQLState: "28000", Message: `PAM authentication failed for user "app"`})
	if want := `AWS itself says: no usable AWS credentials from profile "dev": they have expired; otherwise check in this order`; !ok || cause.Name != causes.TokenRefused.Name || !strings.Contains(told.Hint, want) {
		t.Errorf("cause %s, hint %q, want %q", cause.Name, told.Hint, want)
	}
	f.WhoAmI = nil
	if _, told, _ = f.Explain(t.Context(), Refused{User: "app", SQLState: "28000", Message: `PAM authentication failed for user "app"`}); !strings.Contains(told.Hint, "keys have not expired") {
		t.Errorf("hint %q does not mention expired keys", told.Hint)
	}
}
