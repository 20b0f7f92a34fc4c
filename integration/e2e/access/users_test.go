package access

import (
	"crypto/x509"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// The identity of pgkeyless itself, whose keys no database takes, and a role whose keys
// it does.
const (
	gatewayKey    = "AKIAGATEWAYGATEWAY00"
	gatewaySecret = "gatewaygatewaygatewaygatewaygatewaygatew"
	analystRole   = "arn:aws:iam::" + lab.Account + ":role/people/analyst"
)

// asGateway runs pgkeyless with the gateway's keys.
func asGateway(env []string) []string {
	env = rig.Without("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")(env)
	return append(env, "AWS_ACCESS_KEY_ID="+gatewayKey, "AWS_SECRET_ACCESS_KEY="+gatewaySecret)
}

func withAnalystRole(c *awsemu.Config) {
	c.Callers[gatewayKey] = awsemu.Caller{SecretAccessKey: gatewaySecret, ARN: "arn:aws:iam::" + lab.Account + ":user/gateway"}
	c.Roles = map[string]awsemu.Role{analystRole: {AccessKey: rig.Shared.Keys.AccessKeyID}}
}

// people are a setup in which clients prove by certificate who they are, and the config
// file says what they may do; certificate returns libpq's options for one.
func people(t *testing.T, users string) (setup rig.Setup, file string, certificate func(name string) string) {
	t.Helper()
	dir := t.TempDir()
	ca := rig.NewAuthority(t, "people")
	caFile := write(t, dir, "ca.pem", ca.PEM)
	file = write(t, dir, "pgkeyless.yaml", fmt.Sprintf("auth: cert\nclient-ca-file: %s\nusers:\n%s", caFile, users))
	serial := int64(1)
	certificate = func(name string) string {
		serial++
		cert, key := ca.Issue(t, dir, fmt.Sprint("client", serial), serial, func(c *x509.Certificate) { c.Subject.CommonName = name })
		return "sslmode=require sslcert=" + cert + " sslkey=" + key
	}
	return rig.Setup{Flags: []string{"--config-file", file}}, file, certificate
}

func TestUsersOfTheConfigFile(t *testing.T) {
	setup, file, certificate := people(t, `
  ada@example.com: {database-users: [app_user, reports]}
  "ci-*": {database-users: app_user, read-only: true}
  elsewhere: {database-users: app_user, targets: [billing]}
`)
	w := rig.Start(t, setup)
	ada, ci := certificate("ada@example.com"), certificate("ci-42")
	show := func(conninfo, query string) (string, string) {
		out, errs, err := rig.Psql(t, w.Conninfo(conninfo), "-c", query)
		if err != nil && errs == "" {
			t.Fatal(err)
		}
		return out, errs
	}
	const who = "select current_user || ' ' || current_setting('default_transaction_read_only') || ' ' || current_setting('application_name')"
	for name, test := range map[string]struct{ conninfo, want string }{
		"the user that it names":   {ada + " user=app_user application_name=mine", "app_user off mine"},
		"the first, for its name":  {ada + " user=ada@example.com application_name=mine", "app_user off mine"},
		"a read-only guard":        {ci + " user=app_user application_name=mine", "app_user on mine"},
		"its own options are lost": {ci + " user=app_user application_name=mine options='-c default_transaction_read_only=off'", "app_user on mine"},
	} {
		if out, errs := show(test.conninfo, who); out != test.want {
			t.Errorf("%s: %q, want %q: %s", name, out, test.want, errs)
		}
	}
	// pgx sets no application_name: the database then sees the identity.
	conn := w.Connect(ada)
	var seen string
	if err := conn.QueryRow(t.Context(), "select application_name from pg_stat_activity where pid = pg_backend_pid()").Scan(&seen); err != nil || seen != "ada@example.com" {
		t.Errorf("application_name %q, %v", seen, err)
	}
	for name, test := range map[string]struct{ conninfo, want, hint string }{
		"a user that is not its own": {ada + " user=postgres", `ada@example.com may not log in as database user "postgres"`, "connect as app_user, reports"},
		"a target that is not":       {certificate("elsewhere") + " user=app_user", `elsewhere may not use target "` + lab.Host, "`targets`"},
		"nobody's":                   {certificate("eve") + " user=app_user", "this proxy does not let eve in", "users:"},
		"the beginning alone":        {certificate("ci") + " user=app_user", "this proxy does not let ci in", "users:"},
	} {
		if _, errs := show(test.conninfo, who); !strings.Contains(errs, test.want) || !strings.Contains(errs, test.hint) {
			t.Errorf("%s: %s; want %q and %q", name, errs, test.want, test.hint)
		}
	}
	// A reload lets somebody in, and the sessions there are stay.
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(text, "  eve: {database-users: app_user}\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := w.Proxy.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	w.AwaitLine("configuration reloaded")
	if out, errs := show(certificate("eve")+" user=app_user", "select current_user"); out != pgserver.AppUser {
		t.Errorf("after the reload: %q: %s", out, errs)
	}
	if _, err := conn.Exec(t.Context(), "select 1"); err != nil {
		t.Errorf("a session from before the reload: %v", err)
	}
}

// Each person's logins assume the role in the person's name: the gateway's own keys open
// neither the database nor an SSM session.
func TestRolesOfPeople(t *testing.T) {
	audit := t.TempDir() + "/audit.jsonl"
	setup, _, certificate := people(t, `
  "*@example.com": {database-users: app_user, role-arn: `+analystRole+`}
  stranger: {database-users: app_user, role-arn: "arn:aws:iam::`+lab.Account+`:role/nobodys"}
  "system:serviceaccount:shop:api": {database-users: app_user, role-arn: `+analystRole+`}
`)
	setup.Emulator, setup.Env = withAnalystRole, asGateway
	setup.Flags = append(setup.Flags, "--audit-log", audit)
	setup.Options = []string{rig.NoSpare}
	w := rig.Start(t, setup)
	for _, name := range []string{"ada@example.com", "bob@example.com", "ada@example.com", "system:serviceaccount:shop:api"} {
		w.Connect(certificate(name))
	}
	assumed := w.AWS.Assumptions()
	if len(assumed) != 3 {
		t.Fatalf("roles assumed: %+v, want one for each person", assumed)
	}
	service := assumed[2].Session
	if !strings.HasPrefix(service, "system-serviceaccount-shop-api-") {
		t.Errorf("session name %q for a service account", service)
	}
	for i, want := range []string{"ada@example.com", "bob@example.com", service} {
		if got := assumed[i]; got != (awsemu.Assumption{Role: analystRole, Session: want, SourceIdentity: want, Caller: "arn:aws:iam::" + lab.Account + ":user/gateway"}) {
			t.Errorf("assumed %+v, want %s's", got, want)
		}
	}
	var reasons []string
	for _, s := range w.AWS.Sessions() {
		reasons = append(reasons, s.Reason)
		if s.Owner != lab.ARN {
			t.Errorf("an SSM session of %s, want the role's", s.Owner)
		}
	}
	slices.Sort(reasons)
	if want := []string{"pgkeyless for ada@example.com", "pgkeyless for bob@example.com", "pgkeyless for system:serviceaccount:shop:api"}; !slices.Equal(slices.Compact(reasons), want) {
		t.Errorf("SSM sessions for %q, want %q", reasons, want)
	}
	logins := map[string]string{}
	for _, r := range await(t, audit, 4) {
		logins[r.Identity] = r.AWS
	}
	for identity, session := range map[string]string{"ada@example.com": "ada@example.com", "system:serviceaccount:shop:api": service} {
		if want := "arn:aws:sts::" + lab.Account + ":assumed-role/analyst/" + session; logins[identity] != want {
			t.Errorf("audit: %s used %q, want %q", identity, logins[identity], want)
		}
	}
	// Their SSM sessions are among those that status shows. A second one was started beside one
	// that was slow, and has ended.
	stdout, stderr, code := rig.Run(t, []string{"HOME=" + w.Home}, "status", "--json")
	if code != 0 {
		t.Errorf("status: exit code %d: %s", code, stderr)
	}
	for _, s := range w.AWS.Sessions() {
		if s.Ended.IsZero() && !strings.Contains(stdout, s.ID) {
			t.Errorf("status lacks SSM session %s: %s", s.ID, stdout)
		}
	}
	_, errs, err := rig.Psql(t, w.Conninfo(certificate("stranger")), "-c", "select 1")
	if err == nil || !strings.Contains(errs, "role arn:aws:iam::"+lab.Account+":role/nobodys cannot be assumed for this client") || !strings.Contains(errs, "sts:SetSourceIdentity") {
		t.Errorf("a role that may not be assumed: %v: %s", err, errs)
	}
}

// Mistakes under users end the start, with file and line.
func TestMistakesOfUsers(t *testing.T) {
	for name, test := range map[string]struct{ text, want, hint string }{
		"no identities":    {"users:\n  ada: {database-users: app_user}\n", ":2: users maps the identities of clients, and auth is none", "auth"},
		"no users":         {"auth: cert\nusers:\n  ada: {read-only: true}\n", `:3: user "ada" has no database-users`, "database-users: app_user"},
		"two stars":        {"auth: cert\nusers:\n  \"*b*\": {database-users: x}\n", "more than one *", "*@example.com"},
		"no role":          {"auth: cert\nusers:\n  ada: {database-users: x, role-arn: analyst}\n", `"analyst" is not the ARN of a role`, "role/NAME"},
		"a mistyped key":   {"auth: cert\nusers:\n  ada: {database-user: x}\n", `unknown key "database-user"`, "did you mean database-users?"},
		"neither true nor": {"auth: cert\nusers:\n  ada: {database-users: x, read-only: perhaps}\n", ":3: read-only: ", "true or false"},
	} {
		file := write(t, t.TempDir(), "pgkeyless.yaml", test.text)
		_, stderr, code := rig.Run(t, nil, lab.Host+"?dial="+rig.ClosedPort, "--port", "0", "--config-file", file)
		if code != 1 || !strings.Contains(stderr, test.want) || !strings.Contains(stderr, test.hint) {
			t.Errorf("%s: exit code %d: %s", name, code, stderr)
		}
	}
}
