package causes

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// TestEveryRefusalIsExplained goes through the rows for what RDS, RDS Proxy, DSQL
// and Redshift say: the client gets their words first, then who and where, then
// what to do. Only what may pass is tried a second time.
func TestEveryRefusalIsExplained(t *testing.T) {
	f := rig.StartFakeDatabase(t, lab.Host, nil)
	w := rig.Start(t, rig.Setup{Emulator: func(c *awsemu.Config) { c.Hosts[lab.Endpoint] = f.Address() }})
	for _, row := range causes.Refusals() {
		t.Run(row.Name, func(t *testing.T) {
			words := fmt.Sprintf("as they say it: %s, for role x", row.Says)
			got, _ := explained(func() *pgconn.PgError {
				f.Say("SFATAL", "VFATAL", "C28000", "M"+words)
				return w.Refused("")
			}, func(got *pgconn.PgError) bool { return strings.Contains(got.Detail, lab.ARN) })
			if got.Code != "28000" || got.Message != words {
				t.Errorf("got %s %q, want the server's own words %q", got.Code, got.Message, words)
			}
			if want := `tried to log in to ` + lab.Host + ` as user "app_user" with an IAM token of ` + lab.ARN +
				", signed for " + lab.Endpoint + " in " + lab.Region + ", jump host " + lab.Target; got.Detail != want {
				t.Errorf("DETAIL %q, want %q", got.Detail, want)
			}
			checkTold(t, row, got, "28000")
			w.AwaitCause(row.Name)
			if n, want := f.Seen(), map[bool]int{false: 1, true: 2}[row.Passing]; n != want {
				t.Errorf("%d logins, want %d", n, want)
			}
		})
	}
	t.Run("their own hint stays", func(t *testing.T) {
		f.Say("SFATAL", "C08006", "Munable to accept connection, access denied", "HSignature expired: then")
		got, _ := explained(func() *pgconn.PgError { return w.Refused("") }, func(got *pgconn.PgError) bool { return strings.Contains(got.Detail, lab.ARN) })
		if got.Code != "08006" || got.Hint != "Signature expired: then" || !strings.Contains(got.Detail, lab.ARN) {
			t.Errorf("got %s, HINT %q, DETAIL %q", got.Code, got.Hint, got.Detail)
		}
	})
}

// TestRefusalsKnowTheDatabase lets RDS be asked after a refused login: whether
// the database takes tokens at all, and what its resource id is. Where that is
// not allowed the words are those for a database that nobody knows.
func TestRefusalsKnowTheDatabase(t *testing.T) {
	f := rig.StartFakeDatabase(t, lab.Host, nil)
	f.Say("SFATAL", "C28000", `MPAM authentication failed for user "app_user"`)
	const dbuser = "arn:aws:rds-db:" + lab.Region + ":" + lab.Account + ":dbuser:"
	for _, test := range []struct {
		name  string
		noIAM bool
		fault func(*awsemu.Emulator)
		cause causes.Cause
		hint  string
	}{
		{"IAM authentication off", true, nil, causes.IAMOff,
			"`aws rds modify-db-instance --db-instance-identifier orders --region eu-central-1 --enable-iam-database-authentication --apply-immediately` switches it on"},
		{"on", false, nil, causes.TokenRefused, `"Resource":"` + dbuser + `db-REAL/app_user"`},
		{"not permitted", true, func(e *awsemu.Emulator) { e.FailNext("DescribeDBInstances", "AccessDenied", "no", -1) }, causes.TokenRefused,
			`"Resource":"` + dbuser + `RESOURCE-ID/app_user"`},
		{"slow", true, func(e *awsemu.Emulator) { e.SlowNext("DescribeDBInstances", time.Minute, -1) }, causes.TokenRefused,
			`"Resource":"` + dbuser + `RESOURCE-ID/app_user"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := rig.Start(t, rig.Setup{
				Emulator:  func(c *awsemu.Config) { c.Hosts[lab.Endpoint] = f.Address() },
				Databases: awsemu.Databases{Instances: []awsemu.DBInstance{{Identifier: "orders", ResourceID: "db-REAL", Host: lab.Host, NoIAM: test.noIAM}}},
				Faults:    test.fault,
			})
			if n := w.AWS.Calls()["DescribeDBInstances"]; n != 0 {
				t.Errorf("RDS was asked %d times before any login", n)
			}
			var began time.Time
			got, tries := explained(func() *pgconn.PgError {
				began = time.Now()
				return w.Refused("")
			}, func(got *pgconn.PgError) bool {
				return strings.Contains(got.Detail, lab.ARN) && strings.Contains(got.Hint, test.hint)
			})
			if took := time.Since(began); took > 30*time.Second { // half of what RDS takes that is slow
				t.Errorf("the refusal took %v", took)
			}
			if got.Code != "28000" || !strings.Contains(got.Message, "PAM authentication failed") || !strings.Contains(got.Detail, lab.ARN) || !strings.Contains(got.Hint, test.hint) {
				t.Errorf("got %s %q, DETAIL %q, HINT %q; want DETAIL with %q, HINT with %q", got.Code, got.Message, got.Detail, got.Hint, lab.ARN, test.hint)
			}
			w.AwaitCause(test.cause.Name)
			if test.fault == nil {
				w.Refused("")
				// An answer counts for 10 s. One that came too late counts for nothing.
				if n := w.AWS.Calls()["DescribeDBInstances"]; n > tries && time.Since(began) < 10*time.Second {
					t.Errorf("RDS was asked %d times for %d refusals, want once less", n, tries+1)
				}
			} else if out := w.Proxy.Output(); strings.Contains(out, "DescribeDBInstances") {
				t.Errorf("a look-up that failed is spoken of:\n%s", out)
			}
		})
	}
}

// The SDK corrects the time of its own calls, so that the first to show a wrong
// clock is the websocket, whose refusal looks like a missing permission.
func TestWrongClockIsToldThroughATunnel(t *testing.T) {
	for ahead, want := range map[time.Duration]string{20 * time.Minute: "20m0s behind AWS's; otherwise allow", -20 * time.Minute: "20m0s ahead of AWS's; otherwise allow"} {
		w := rig.Start(t, rig.Setup{})
		w.AWS.SetClock(ahead)
		began := time.Now()
		got := w.Refused("")
		took, clock := time.Since(began), got.Hint
		if said := regexp.MustCompile(`which is (\S+) `).FindStringSubmatch(got.Hint); said != nil {
			// It is known to a second, and half of the round trip in which AWS said what time it is.
			if off, err := time.ParseDuration(said[1]); err == nil && (off-20*time.Minute).Abs() <= time.Second+took/2 {
				clock = strings.Replace(clock, said[1], "20m0s", 1)
			}
		}
		if !strings.Contains(got.Message, "403 Forbidden") || !strings.HasPrefix(clock, "set this machine's clock, which is "+want) {
			t.Errorf("AWS %v ahead: %s, hint %q, want %q", ahead, got.Message, got.Hint, want)
		}
	}
}
