package causes

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/rdsproxy"
	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// billingHost is a second target of a shared port; nothing connects to it.
const billingHost = "billing.c9akciq32abc.eu-central-1.rds.amazonaws.com"

func TestEveryCauseAtTheProxyItself(t *testing.T) {
	answering := func(answer func(io.ReadWriter)) rig.Setup {
		f := rig.StartFakeDatabase(t, lab.Host, answer)
		return rig.Setup{Emulator: func(c *awsemu.Config) { c.Hosts[lab.Endpoint] = f.Address() }}
	}
	started := make(chan struct{}, 1)
	proving, certs := provingClients(t)
	cluster, denying, overloaded := rig.StartCluster(t), rig.StartCluster(t), rig.StartCluster(t)
	denying.Deny()
	overloaded.Break(503)
	mapping := func(user string) rig.Setup { return mapped(t, proving("cert"), user) }
	pool := rig.StartRDSProxy(t, nil)
	answeringSettings := func(fields ...string) *rdsproxy.Server {
		return rig.StartRDSProxy(t, func(c *rdsproxy.Config) { c.SettingFails = append([]string{"SERROR", "VERROR"}, fields...) })
	}
	severalTargets := rig.Setup{
		Args:  []string{lab.Host + "?via=" + lab.Target, billingHost + "?via=" + lab.Target},
		Flags: []string{"--shared-port"},
	}
	cluster60 := rig.StartDSQL(t, nil)
	hasty, err := lab.BuildProxyWith(t.Context(), t.TempDir(), "github.com/pgkeyless/pgkeyless/internal/targets.dsqlLifetime=0s")
	if err != nil {
		t.Fatal(err)
	}
	showCauses(t, causes.Clients(), map[string]way{
		causes.DSQLSessionOver.Name: {
			setup: rig.Setup{Args: []string{lab.DSQLHost + "?dial=" + cluster60.Address() + "&ca-file=" + cluster60.CAFile()}, Binary: hasty},
			meet: func(t *testing.T, w *rig.World) *pgconn.PgError {
				conn := w.Connect("user=admin dbname=postgres")
				cluster60.EndSessions()
				var told *pgconn.PgError
				if _, err := conn.WaitForNotification(t.Context()); !errors.As(err, &told) {
					t.Fatalf("waiting: %v, want an ErrorResponse", err)
				}
				return told
			},
			facts: []string{lab.DSQLHost},
		},
		causes.LoginOverdue.Name: {
			setup: waitingOnly("5s", answering(func(c io.ReadWriter) { io.Copy(io.Discard, c) })),
			facts: []string{"within 5s"},
		},
		causes.LoginLost.Name: {
			setup: answering(func(io.ReadWriter) {}),
			facts: []string{lab.Host, "closed"},
		},
		causes.DatabaseLost.Name: {
			setup: answering(func(c io.ReadWriter) { // lets in, and vanishes at the first question
				c.Write([]byte{'R', 0, 0, 0, 8, 0, 0, 0, 0, 'Z', 0, 0, 0, 5, 'I'})
				c.Read(make([]byte, 1))
				c.(*tls.Conn).NetConn().Close()
			}),
			meet: func(t *testing.T, w *rig.World) *pgconn.PgError {
				var told *pgconn.PgError
				if _, err := w.Connect("").Exec(t.Context(), "select 1"); !errors.As(err, &told) {
					t.Fatalf("query: %v, want an ErrorResponse", err)
				}
				return told
			},
			facts: []string{lab.Host, "cut off"},
		},
		causes.ReadyLoginLost.Name: readyLoginLost(t),
		causes.LoginGarbled.Name: {
			setup: answering(func(c io.ReadWriter) { c.Write([]byte{'Z', 0, 0, 0, 5, 'I'}) }),
			facts: []string{lab.Host, `'Z'`},
		},
		causes.BadStartup.Name: {meet: sayFirst([]byte{0, 0, 0, 7, 0, 3, 0})},
		causes.StartupTooLong.Name: {
			setup: rig.Setup{Options: []string{"statement-timeout=90s"}},
			meet: func(t *testing.T, w *rig.World) *pgconn.PgError {
				// The packet that PostgreSQL just takes, less the target's guard.
				body := append([]byte{0, 3, 0, 0}, "user\x00app_user\x00application_name\x00"...)
				body = append(body, bytes.Repeat([]byte{'x'}, 10000-len(body)-2)...)
				return sayFirst(append([]byte{0, 0, 0x27, 0x14}, append(body, 0, 0)...))(t, w)
			},
			facts: []string{"accepts 10000 at most", "the client sent 10000 of them"},
		},
		causes.StartupGarbled.Name: {
			meet:  sayFirst([]byte{0, 0, 0, 9, 4, 210, 22, 47, 0}), // an SSLRequest with one byte too many
			facts: []string{"SSLRequest"},
		},
		causes.OldProtocol.Name: {
			meet:  sayFirst([]byte{0, 0, 0, 9, 0, 2, 0, 0, 0}),
			facts: []string{"2.0"},
		},
		causes.OptionsMalformed.Name: {
			setup:  rig.Pooled(pool),
			client: "options='-c work_mem=4MB " + rig.SQLMarker + "'",
			facts:  []string{"PostgreSQL does not accept its argument 3"},
		},
		causes.SettingsRefused.Name: {
			setup:  rig.Pooled(pool, "rds-proxy-settings=refuse"),
			client: "options='-c search_path=" + rig.SQLMarker + "' work_mem=4MB",
			facts:  []string{"RDS Proxy does not accept these start-up parameters: search_path, work_mem"},
		},
		causes.SettingFailed.Name: {
			setup:  rig.Pooled(pool),
			client: "options='-c work_mem=much -c search_path=" + rig.SQLMarker + "'",
			state:  "22023",
			facts:  []string{`invalid value for parameter "work_mem": "much"`, "RDS Proxy does not accept these start-up parameters, so pgkeyless sets them after the login: work_mem, search_path"},
		},
		causes.GuardFailed.Name: {
			setup:  rig.Pooled(answeringSettings("C22023", `Minvalid value for parameter "statement_timeout"`), "statement-timeout=30s"),
			client: "options='-c search_path=" + rig.SQLMarker + "'",
			state:  "22023",
			facts:  []string{"RDS Proxy does not accept these start-up parameters, so pgkeyless sets them after the login: statement_timeout"},
		},
		causes.SettingInterrupted.Name: {
			setup:  rig.Pooled(answeringSettings("CXX000", "Mout of order")),
			client: "options='-c search_path=" + rig.SQLMarker + "'",
			state:  "XX000",
		},
		causes.NoUser.Name: {meet: sayFirst([]byte{0, 0, 0, 9, 0, 3, 0, 0, 0})},
		causes.NoSuchTarget.Name: {
			setup:  severalTargets,
			client: "user=app_user@ordesr",
			facts:  []string{`no target "ordesr"`, "the targets are " + lab.Host + ", " + billingHost},
		},
		causes.NoTarget.Name: {
			setup: severalTargets,
			facts: []string{"the targets are " + lab.Host + ", " + billingHost},
		},
		causes.TargetsDiffer.Name: {
			setup:  severalTargets,
			client: "user=app_user@" + lab.Host + " dbname=app@" + billingHost,
			facts:  []string{`the user names the target "` + lab.Host + `"`, `the database names "` + billingHost + `"`},
		},
		causes.TooManyClients.Name: {
			setup: rig.Setup{Flags: []string{"--max-connections", "1"}},
			arm:   func(_ *testing.T, w *rig.World) { w.Connect("") },
			facts: []string{"limited to 1"},
		},
		causes.ShuttingDown.Name: {
			setup: answering(func(c io.ReadWriter) {
				started <- struct{}{}
				io.Copy(io.Discard, c)
			}),
			meet: func(t *testing.T, w *rig.World) *pgconn.PgError {
				told := make(chan *pgconn.PgError, 1)
				go func() { told <- w.Refused("") }()
				<-started
				if code := w.Stop(os.Interrupt); code != 130 {
					t.Errorf("exit code %d, want 130", code)
				}
				return <-told
			},
		},
		causes.OtherUser.Name: {
			meet: func(t *testing.T, w *rig.World) *pgconn.PgError {
				return asOtherUser(t, w.Proxy.Addresses()[0])
			},
			facts: []string{"for root only", "belongs to nobody", "--allow-users nobody"},
		},
		causes.NeedsTLS.Name:              {setup: rig.Setup{Flags: []string{"--require-tls"}}},
		causes.ProxyHeaderUnexpected.Name: {meet: sayFirst([]byte("PROXY TCP4 192.0.2.1 192.0.2.2 1 5432\r\n"))},
		causes.ProxyHeaderMissing.Name:    {setup: rig.Setup{Flags: []string{"--proxy-protocol", "--allow-anyone"}}, facts: []string{"127.0.0.1"}},
		causes.ProxyHeaderMalformed.Name: {
			setup: rig.Setup{Flags: []string{"--proxy-protocol", "--allow-anyone"}},
			meet:  sayFirst([]byte("PROXY TCP4 nowhere 192.0.2.2 1 5432\r\n")),
			facts: []string{"127.0.0.1"},
		},
		causes.PasswordWrong.Name: {
			setup:  proving("scram"),
			client: "password=wrong",
			facts:  []string{`"app_user"`, "auth=scram", "userlist.txt"},
		},
		causes.LocalPasswordWrong.Name: {
			setup:  rig.Setup{Flags: []string{"--local-password"}},
			client: "password=wrong",
			facts:  []string{`"app_user"`, "--local-password", ".pgpass"},
		},
		causes.CertificateMissing.Name: {setup: proving("cert"), client: "sslmode=require"},
		causes.CertificateRefused.Name: {setup: proving("cert"), client: "sslmode=require " + certs["stranger"], facts: []string{"unknown authority"}},
		causes.IdentityDiffers.Name:    {setup: proving("cert"), client: "sslmode=require " + certs["bob"], facts: []string{"bob", `"app_user"`}},
		causes.ServiceTokenRefused.Name: {
			setup: byToken(cluster), client: "sslmode=require password=" + cluster.Forged(),
			facts: []string{`"app_user"`, "invalid bearer token", "--audience pgkeyless"},
		},
		causes.AccountRefused.Name: {
			setup:  byToken(cluster),
			client: "sslmode=require password=" + cluster.Token(func(c map[string]any) { c["sub"] = "system:serviceaccount:shop:other" }),
			facts:  []string{"system:serviceaccount:shop:other may not connect", "add shop/other to"},
		},
		causes.TokenReviewDenied.Name: {
			setup: byToken(denying), client: "sslmode=require password=" + denying.Token(nil),
			facts: []string{"tokenreviews.authentication.k8s.io is forbidden", "--serviceaccount=gateway:pgkeyless"},
		},
		causes.APIServerUnreachable.Name: {
			setup: byToken(overloaded), client: "sslmode=require password=" + overloaded.Token(nil),
			facts: []string{"HTTP status 503", "asked: " + overloaded.URL},
		},
		causes.TokenKeysUnreachable.Name: {
			setup:  rig.Setup{Flags: []string{"--auth", "kubernetes", "--kubernetes-accounts", "*", "--kubernetes-issuer", overloaded.URL, "--kubernetes-ca-file", overloaded.CAFile}},
			client: "sslmode=require password=" + overloaded.Token(nil),
			facts:  []string{"the keys of issuer " + overloaded.URL, "HTTP status 503"},
		},
		causes.IdentityUnknown.Name:    {setup: mapping("somebody: {database-users: app_user}"), client: "sslmode=require " + certs["bob"], facts: []string{"bob", "users:"}},
		causes.DatabaseUserBarred.Name: {setup: mapping("bob: {database-users: [reports, audit]}"), client: "sslmode=require " + certs["bob"], facts: []string{"bob", `"app_user"`, "connect as reports, audit"}},
		causes.TargetBarred.Name:       {setup: mapping("bob: {database-users: app_user, targets: [billing]}"), client: "sslmode=require " + certs["bob"], facts: []string{"bob", lab.Host, `"bob"`}},
		causes.AuditFailed.Name:        {setup: rig.Setup{Flags: []string{"--audit-log", "/dev/full"}}, facts: []string{"no space left"}},
		causes.Disconnected.Name: {
			setup: answering(func(c io.ReadWriter) {
				started <- struct{}{}
				io.Copy(io.Discard, c)
			}),
			meet: func(t *testing.T, w *rig.World) *pgconn.PgError {
				told := make(chan *pgconn.PgError, 1)
				go func() { told <- w.Refused("") }()
				<-started
				if _, stderr, code := rig.Run(t, []string{"HOME=" + w.Home}, "disconnect", "1"); code != 0 {
					t.Errorf("disconnect ends with %d: %s", code, stderr)
				}
				return <-told
			},
		},
	})
}

// provingClients are set-ups in which clients prove who they are, and certificates of
// clients as libpq's options: of bob, and of a CA that does not count.
func provingClients(t *testing.T) (setup func(auth string) rig.Setup, certs map[string]string) {
	t.Helper()
	dir := t.TempDir()
	ours, theirs := rig.NewAuthority(t, "ours"), rig.NewAuthority(t, "theirs")
	certs = map[string]string{}
	for name, by := range map[string]*rig.Authority{"bob": ours, "stranger": theirs} {
		cert, key := by.Issue(t, dir, name, 5, func(c *x509.Certificate) { c.Subject.CommonName = name })
		certs[name] = "sslcert=" + cert + " sslkey=" + key
	}
	caFile, userlist := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "userlist.txt")
	for path, text := range map[string]string{caFile: ours.PEM, userlist: ""} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return func(auth string) rig.Setup {
		if auth == "scram" {
			return rig.Setup{Flags: []string{"--auth", auth, "--auth-file", userlist}}
		}
		return rig.Setup{Flags: []string{"--auth", auth, "--client-ca-file", caFile}}
	}, certs
}

// byToken is a set-up in which clients prove who they are by a service account's token.
func byToken(c *rig.Cluster) rig.Setup {
	return rig.Setup{Flags: []string{"--auth", "kubernetes", "--kubernetes-accounts", "shop/orders", "--kubernetes-server", c.URL, "--kubernetes-ca-file", c.CAFile, "--kubernetes-token-file", c.TokenFile}}
}

// mapped is s with an entry under users of its config file.
func mapped(t *testing.T, s rig.Setup, user string) rig.Setup {
	t.Helper()
	file := filepath.Join(t.TempDir(), "pgkeyless.yaml")
	if err := os.WriteFile(file, []byte("users:\n  "+user+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Flags = append(s.Flags, "--config-file", file)
	return s
}

// waitingOnly is s in which logins may take so long at most.
func waitingOnly(most string, s rig.Setup) rig.Setup {
	s.Flags = append(s.Flags, "--login-timeout", most)
	return s
}

// sayFirst is a client that sends packet in place of a StartupMessage.
func sayFirst(packet []byte) func(*testing.T, *rig.World) *pgconn.PgError {
	return func(t *testing.T, w *rig.World) *pgconn.PgError {
		t.Helper()
		c, err := net.Dial("tcp", w.Proxy.Addresses()[0])
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write(packet); err != nil {
			t.Fatal(err)
		}
		return firstError(t, c)
	}
}

// firstError reads a message, which must be an ErrorResponse.
func firstError(t *testing.T, c net.Conn) *pgconn.PgError {
	t.Helper()
	message, err := pgproto3.NewFrontend(c, c).Receive()
	if err != nil {
		t.Fatal(err)
	}
	said, ok := message.(*pgproto3.ErrorResponse)
	if !ok {
		t.Fatalf("got %T, want an ErrorResponse", message)
	}
	return pgconn.ErrorResponseToPgError(said)
}
