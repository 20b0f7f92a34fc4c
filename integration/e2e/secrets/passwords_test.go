package secrets

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// psql and pgx log in by each method that a real PostgreSQL has, and neither is asked for a
// password. The name that the client gives is replaced, as by the option user alone.
func TestEveryMethod(t *testing.T) {
	db := withUsers(t)
	for user, method := range map[string]string{scramUser: "method=SCRAM-SHA-256-PLUS", md5User: "method=MD5"} {
		t.Run(user, func(t *testing.T) {
			w := with(t, db, user, first)
			if got := w.Query("", "select current_user, ssl from pg_stat_ssl where pid = pg_backend_pid()"); got != user+"|t" {
				t.Errorf("psql is %q, want %s with TLS", got, user)
			}
			var name string
			if err := w.Connect("sslmode=require").QueryRow(t.Context(), "select current_user").Scan(&name); err != nil || name != user {
				t.Errorf("pgx is %q, %v, want %s", name, err, user)
			}
			w.AwaitLine(method)
			if n := w.AWS.Calls()["GetSecretValue"]; n != 1 {
				t.Errorf("%d reads of the secret for two clients, want 1", n)
			}
			stdout, stderr, code := rig.Run(t, []string{"HOME=" + w.Home}, "status", "--json")
			if code != 0 {
				t.Errorf("status: %d, %s", code, stderr)
			}
			rig.CheckOutput(t, stdout+stderr)
		})
	}
}

// A request for clear text is RDS's way to ask for an IAM token: the secret is not read.
func TestClearTextMeansAToken(t *testing.T) {
	w := with(t, withUsers(t), clearUser, first)
	got := w.Refused("")
	if !strings.Contains(got.Message, "asks for an IAM token") || !strings.Contains(got.Hint, "rds_iam") {
		t.Errorf("%s, %s", got.Message, got.Hint)
	}
	if n := w.AWS.Calls()["GetSecretValue"]; n != 0 {
		t.Errorf("the secret was read %d times", n)
	}
}

// A secret may be a password and nothing else, and in another region, which its ARN names.
func TestSecretsOfOtherForms(t *testing.T) {
	db := withUsers(t)
	t.Run("a password alone", func(t *testing.T) {
		w := rig.Start(t, rig.Setup{Database: db, Options: []string{"user=" + scramUser, "secret=" + secretName},
			Faults: func(e *awsemu.Emulator) { e.PutSecret(awsemu.Secret{Name: secretName, Text: first + "\n"}) }})
		if got := w.Query("", "select current_user"); got != scramUser {
			t.Errorf("got %q", got)
		}
	})
	t.Run("another region", func(t *testing.T) {
		const elsewhere = "eu-west-1"
		w := rig.Start(t, rig.Setup{Database: db,
			Options:  []string{"user=" + scramUser, "secret=arn:aws:secretsmanager:" + elsewhere + ":" + lab.Account + ":secret:" + secretName + "-AbCdEf"},
			Emulator: func(c *awsemu.Config) { c.Regions = []string{elsewhere} },
			Faults: func(e *awsemu.Emulator) {
				e.PutSecret(awsemu.Secret{Name: secretName, Region: elsewhere, Text: login(scramUser, first)})
			}})
		if got := w.Query("", "select current_user"); got != scramUser {
			t.Errorf("got %q", got)
		}
	})
}

// managedSecret is the secret that RDS keeps for orders.
const managedSecret = "rds!db-0123"

// managed is what RDS says of orders, whose master user's password it keeps.
func managed(e *awsemu.Emulator) awsemu.Databases {
	return rig.OrdersDatabase(func(i *awsemu.DBInstance) {
		i.NoIAM = true // which is nothing to a password
		i.Secret = &awsemu.MasterSecret{ARN: e.SecretARN(managedSecret)}
	})
}

// With secret=managed, clients that name the master user log in with the password that RDS
// keeps, and all others with IAM tokens, whatever names the database.
func TestManaged(t *testing.T) {
	db := withUsers(t)
	for name, arg := range map[string]string{"by endpoint": lab.Host, "by identifier": "orders"} {
		t.Run(name, func(t *testing.T) {
			by := func(user string) (n int) { // tokens: a login of an earlier world may be under way still
				for _, login := range db.Logins() {
					if login.User == user {
						n++
					}
				}
				return n
			}
			masters, others := by(master), by(pgserver.AppUser)
			w := rig.Start(t, rig.Setup{Database: db, Env: rig.InRegion,
				Args: []string{arg + "?secret=managed&via=" + lab.Target + "&ca-file=" + db.CAFile()},
				Faults: func(e *awsemu.Emulator) {
					e.SetDatabases(managed(e))
					e.PutSecret(awsemu.Secret{Name: managedSecret, Text: `{"username":"postgres","password":"` + first + `"}`})
				}})
			if got := w.Query("user="+master, "select current_user"); got != master {
				t.Errorf("got %q", got)
			}
			if n := by(master) - masters; n != 0 {
				t.Errorf("%d tokens were checked for the master user", n)
			}
			if out, stderr, code := rig.Run(t, []string{"HOME=" + w.Home}, "env", arg, "--shell=sh"); code != 0 || !strings.Contains(out, "export PGUSER="+master) {
				t.Errorf("env: %d, %s%s", code, out, stderr)
			}
			if got := w.Query("", rig.WhoAmI); got != rig.ItsMe {
				t.Errorf("got %q, want %q", got, rig.ItsMe)
			}
			if by(pgserver.AppUser) == others {
				t.Error("app_user did not log in with a token")
			}
			if n := w.AWS.Calls()["GetSecretValue"]; n != 1 {
				t.Errorf("%d reads of the secret, want 1", n)
			}
		})
	}
}

// Commands know the master user, whom nobody has named: init ends with a psql line for it,
// and token prints none for it.
func TestCommandsKnowTheMasterUser(t *testing.T) {
	db := withUsers(t)
	c := rig.OpenClinic(t, db, nil)
	c.AWS.SetDatabases(managed(c.AWS))
	c.AWS.PutSecret(awsemu.Secret{Name: managedSecret, Text: `{"username":"postgres","password":"` + first + `"}`})
	args := []string{"init", "orders", "--secret", "managed", "--region", "eu-central-1", "--via", lab.Target, "--ca-file", db.CAFile()}
	for _, tt := range []struct{ more, user string }{{"--dbname=app", master}, {"--no-check", "MASTER_USER"}} {
		_, stderr, code := c.Run(append(args, "--file", filepath.Join(t.TempDir(), "pgkeyless.yaml"), tt.more)...)
		if code != 0 || !strings.Contains(stderr, "psql -h localhost -U "+tt.user+" ") {
			t.Errorf("init %s: exit code %d, want a psql line for %s:\n%s", tt.more, code, tt.user, stderr)
		}
	}
	args = []string{"token", "orders", "--secret", "managed", "--region", "eu-central-1"}
	stdout, stderr, code := c.Run(args...)
	if code != 1 || stdout != "" || !strings.Contains(stderr, `no IAM token for user "`+master+`"`) || !strings.Contains(stderr, "get-secret-value --secret-id '"+c.AWS.SecretARN(managedSecret)) {
		t.Errorf("token: exit code %d, %s%s", code, stdout, stderr)
	}
	stdout, stderr, code = rig.Run(t, rig.Shared.Keys.Env(c.AWS.URL()), append(args, "--user", "app_user")...) // which prints a secret
	if code != 0 || !strings.Contains(stdout, "DBUser=app_user&") {
		t.Errorf("token of another user: exit code %d, %s%s", code, stdout, stderr)
	}
}

// Without the permission to ask RDS, clients and doctor hear what would do instead.
func TestManagedTakesAPermission(t *testing.T) {
	db := withUsers(t)
	deny := func(e *awsemu.Emulator) { e.FailNext("DescribeDBInstances", "AccessDenied", "no", -1) }
	const hint = "allow rds:DescribeDBInstances and rds:DescribeDBClusters"
	w := rig.Start(t, rig.Setup{Database: db, Options: []string{"secret=managed"}, Faults: deny})
	for _, user := range []string{master, "app_user"} { // nobody knows whose the secret is
		if got := w.Refused("user=" + user); !strings.Contains(got.Message, "access denied") || !strings.Contains(got.Hint, hint) {
			t.Errorf("%s: %s, %s", user, got.Message, got.Hint)
		}
	}
	c := rig.OpenClinic(t, db, nil)
	deny(c.AWS)
	lines, code := c.Stages(c.Target("secret=managed"))
	if l := lines[len(lines)-2]; code != 23 || l.Stage != "secret" || !strings.Contains(l.Fix, hint) {
		t.Errorf("doctor ended with %d, %+v", code, l)
	}
}

// connectAll has n clients connect at once, and hold what they have got.
func connectAll(t *testing.T, w *rig.World, n int) {
	t.Helper()
	var all sync.WaitGroup
	var mu sync.Mutex
	var held []*pgx.Conn
	for range n {
		all.Go(func() {
			conn, err := w.TryConnect("")
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			held = append(held, conn)
		})
	}
	all.Wait()
	for _, c := range held {
		c.Close(context.Background())
	}
}

// A burst of clients is one read of the secret, however slow.
func TestABurstReadsOnce(t *testing.T) {
	w := with(t, withUsers(t), scramUser, first, "ready-logins=0")
	w.AWS.SlowNext("GetSecretValue", 2*time.Second, 1)
	connectAll(t, w, 20)
	if n := w.AWS.Calls()["GetSecretValue"]; n != 1 {
		t.Errorf("%d reads of the secret for 20 clients, want 1", n)
	}
}

// The password is rotated, and the secret knows it at once: the next client notices nothing.
func TestRotationBetweenTwoClients(t *testing.T) {
	db := withUsers(t)
	w := with(t, db, scramUser, first, "ready-logins=0")
	for _, password := range []string{first, second, first} {
		run(t, db, alter(scramUser, password))
		put(w.AWS, scramUser, password)
		if got := w.Query("", "select current_user"); got != scramUser {
			t.Errorf("got %q", got)
		}
	}
	if n := w.AWS.Calls()["GetSecretValue"]; n != 3 {
		t.Errorf("%d reads of the secret, want 3", n)
	}
}

// A burst comes in the middle of a rotation: the database has the new password, and what
// AWS calls the current version is behind. All clients get in once it is not any more.
func TestRotationDuringABurst(t *testing.T) {
	db := withUsers(t)
	w := with(t, db, scramUser, first, "ready-logins=0")
	if got := w.Query("", "select current_user"); got != scramUser {
		t.Fatalf("got %q", got)
	}
	run(t, db, alter(scramUser, second))
	rotated := make(chan struct{})
	go func() {
		defer close(rotated)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if _, err := w.Proxy.AwaitLine(ctx, "password refused, trying once more"); err != nil {
			t.Error(err)
		}
		put(w.AWS, scramUser, second)
	}()
	connectAll(t, w, 20)
	<-rotated
	if n := w.AWS.Calls()["GetSecretValue"]; n > 12 {
		t.Errorf("%d reads of the secret for 20 clients in a rotation", n)
	}
}

// A session goes on when its password is rotated, and so does a login that waits for its
// client.
func TestSessionsOutliveARotation(t *testing.T) {
	db := withUsers(t)
	w := with(t, db, scramUser, first, "ready-logins=1")
	held := w.Connect("")
	w.AwaitLine("login made ready")
	run(t, db, alter(scramUser, second))
	for _, conn := range []*pgx.Conn{held, w.Connect("")} {
		var name string
		if err := conn.QueryRow(t.Context(), "select current_user").Scan(&name); err != nil || name != scramUser {
			t.Errorf("%q, %v", name, err)
		}
	}
	put(w.AWS, scramUser, second)
	if got := w.Query("", "select current_user"); got != scramUser {
		t.Errorf("got %q", got)
	}
}

// doctor reads the secret before it goes on, and says in which state RDS has it; policy
// prints what it takes, and no more than that is needed.
func TestDoctorAndPolicy(t *testing.T) {
	db := withUsers(t)
	c := rig.OpenClinic(t, db, nil)
	const key = "arn:aws:kms:eu-central-1:111122223333:key/01234567-89ab-cdef-0123-456789abcdef"
	c.AWS.PutSecret(awsemu.Secret{Name: managedSecret, Text: `{"username":"postgres","password":"` + first + `"}`, Key: key})
	describe := func(change func(*awsemu.DBInstance)) {
		c.AWS.SetDatabases(rig.OrdersDatabase(func(i *awsemu.DBInstance) {
			i.NoIAM = true // which a password does not need
			i.Secret = &awsemu.MasterSecret{ARN: c.AWS.SecretARN(managedSecret), Key: key}
			if change != nil {
				change(i)
			}
		}))
	}
	stage := func(lines []rig.StageLine, id string) rig.StageLine {
		for _, l := range lines {
			if l.Stage == id {
				return l
			}
		}
		t.Errorf("no stage %s in %+v", id, lines)
		return rig.StageLine{}
	}
	target := c.Target("secret=managed")

	describe(nil)
	lines, code := c.Stages(target)
	secret := stage(lines, "secret")
	if code != 0 || secret.Status != "ok" || !strings.Contains(secret.Text, managedSecret) || !strings.Contains(strings.Join(secret.Notes, "; "), "customer managed key "+key) {
		t.Errorf("doctor ended with %d, %+v", code, secret)
	}
	if l := stage(lines, "login"); !strings.Contains(l.Text, "as postgres") || !strings.Contains(l.Text, "by SCRAM-SHA-256-PLUS") {
		t.Errorf("%+v", l)
	}
	if l := stage(lines, "iam-authentication"); l.Status != "left_out" {
		t.Errorf("%+v", l)
	}

	for state, want := range map[string]string{"creating": "wait a minute", "rotating": "wait a minute", "impaired": "--rotate-master-user-password"} {
		describe(func(i *awsemu.DBInstance) { i.Secret.Status = state })
		lines, _ := c.Stages(target)
		if l := stage(lines, "secret"); l.Status != "warning" || !strings.Contains(l.Fix, want) || !strings.Contains(strings.Join(l.Notes, "; "), "its state is "+state) {
			t.Errorf("%s: %+v", state, l)
		}
	}
	describe(nil)

	out, stderr, code := c.Run("policy", target, "--format", "json")
	for _, part := range []string{`"secretsmanager:GetSecretValue"`, c.AWS.SecretARN(managedSecret), `"kms:Decrypt"`, key, "rds:DescribeDBInstances"} {
		if code != 0 || !strings.Contains(out, part) {
			t.Errorf("policy ended with %d, %q; no %s in\n%s", code, stderr, part, out)
		}
	}
	if strings.Contains(out, "rds-db:connect") {
		t.Errorf("policy asks for tokens:\n%s", out)
	}
	if out, _, code := c.Run("policy", target, "--check"); code != 0 || !strings.Contains(out, "in place  secret managed: has the password of postgres") {
		t.Errorf("policy --check ended with %d:\n%s", code, out)
	}
	if err := c.AWS.SetPolicy(out); err != nil {
		t.Fatal(err)
	}
	if lines, code := c.Stages(target); code != 0 {
		t.Errorf("the policy does not do: doctor ended with %d, %+v", code, lines[len(lines)-2])
	}
	if err := c.AWS.SetPolicy(strings.ReplaceAll(out, "kms:Decrypt", "kms:DescribeKey")); err != nil {
		t.Fatal(err)
	}
	lines, code = c.Stages(target)
	if l := stage(lines, "secret"); code != 23 || l.Status != "failed" || !strings.Contains(l.Text, "KMS key cannot be used") {
		t.Errorf("without the key doctor ended with %d, %+v", code, l)
	}
	if err := c.AWS.SetPolicy(""); err != nil {
		t.Fatal(err)
	}

	list, _, _ := c.Run("list", "--region", lab.Region)
	if !strings.Contains(list, "off, secret=managed") {
		t.Errorf("list:\n%s", list)
	}
}

// Where no policy helps, policy says why instead of printing one that cannot work.
func TestNoPolicyForWhatCannotWork(t *testing.T) {
	c := rig.OpenClinic(t, withUsers(t), nil)
	for target, want := range map[string]string{
		"orders.proxy-c9akciq32abc.eu-central-1.rds.amazonaws.com?via=none&secret=managed": "an RDS Proxy has no master user",
		"abcdefghijklmnopqrstuvwxyz.dsql.eu-central-1.on.aws?secret=x&user=y":              "Aurora DSQL knows IAM tokens only",
	} {
		if out, stderr, code := c.Run("policy", target); code == 0 || out != "" || !strings.Contains(stderr, want) {
			t.Errorf("%s: ended with %d, %q, %q", target, code, out, stderr)
		}
	}
}

// reload has pgkeyless read its config file again.
func reload(w *rig.World) {
	w.T.Helper()
	if stdout, stderr, code := rig.Run(w.T, []string{"HOME=" + w.Home}, "reload"); code != 0 {
		w.T.Fatalf("reload: %d\n%s%s", code, stdout, stderr)
	}
}

// A reload reads the secret again, and forgets that of a target that is gone.
func TestReloadForgetsPasswordsAndOptions(t *testing.T) {
	db := withUsers(t)
	config := filepath.Join(t.TempDir(), "pgkeyless.yaml")
	write := func(text string) {
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const target = "targets:\n  orders:\n    database: " + lab.Host + "\n    via: " + lab.Target + "\n"
	rest := "    ca-file: " + db.CAFile() + "\n    ready-logins: 0\n    user: " + scramUser + "\n"
	write(target + rest + "    secret: " + secretName + "\n")
	w := rig.Start(t, rig.Setup{Database: db, Args: []string{"--config-file", config}, Faults: func(e *awsemu.Emulator) { put(e, scramUser, first) }})
	if got := w.Query("", "select current_user"); got != scramUser {
		t.Errorf("got %q", got)
	}
	reads := func() int { return w.AWS.Calls()["GetSecretValue"] }
	before := reads()
	reload(w)
	if got := w.Query("", "select current_user"); got != scramUser || reads() != before+1 {
		t.Errorf("got %q with %d more reads, want one", got, reads()-before)
	}
	write(target + rest)
	reload(w)
	if got := w.Refused(""); !strings.Contains(got.Message, "asks for a SCRAM password") || !strings.Contains(got.Hint, "secret=NAME") || reads() != before+1 {
		t.Errorf("without the option: %s, %s", got.Message, got.Hint)
	}
}

// A reload that fails leaves clients the password, also while AWS does not answer.
func TestAFailedReloadKeepsPasswords(t *testing.T) {
	db := withUsers(t)
	config := filepath.Join(t.TempDir(), "pgkeyless.yaml")
	write := func(text string) {
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	target := "targets:\n  orders:\n    database: " + lab.Host + "\n    via: " + lab.Target + "\n    ca-file: " + db.CAFile() +
		"\n    ready-logins: 0\n    user: " + scramUser + "\n    secret: " + secretName + "\n"
	write(target)
	w := rig.Start(t, rig.Setup{Database: db, Args: []string{"--config-file", config}, Faults: func(e *awsemu.Emulator) { put(e, scramUser, first) }})
	if got := w.Query("", "select current_user"); got != scramUser {
		t.Errorf("got %q", got)
	}
	w.AWS.FailNext("GetSecretValue", "InternalServiceError", "no", -1)
	write(target + "  billing:\n    database: " + lab.Host + "\n    via: " + lab.Target + "\n    ca-file: " + filepath.Join(t.TempDir(), "gone.pem") + "\n")
	before := w.AWS.Calls()["GetSecretValue"]
	if stdout, stderr, code := rig.Run(t, []string{"HOME=" + w.Home}, "reload"); code == 0 || !strings.Contains(stderr, "gone.pem") {
		t.Errorf("reload: %d\n%s%s", code, stdout, stderr)
	}
	if got := w.Query("", "select current_user"); got != scramUser {
		t.Errorf("after the reload: %q", got)
	}
	if n := w.AWS.Calls()["GetSecretValue"] - before; n != 0 {
		t.Errorf("%d reads of the secret, want none", n)
	}
}
