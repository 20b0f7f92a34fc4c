package access

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// reviewed are the flags with which an API server reviews tokens.
func reviewed(c *rig.Cluster) []string {
	return []string{"--auth", "kubernetes", "--kubernetes-accounts", "shop/orders,bi/*", "--kubernetes-server", c.URL, "--kubernetes-ca-file", c.CAFile, "--kubernetes-token-file", c.TokenFile}
}

// verified are those with which the keys of an issuer verify them.
func verified(c *rig.Cluster) []string {
	return []string{"--auth", "kubernetes", "--kubernetes-accounts", "shop/orders,bi/*", "--kubernetes-issuer", c.URL, "--kubernetes-ca-file", c.CAFile}
}

// of makes a token of another service account.
func of(account string) func(map[string]any) {
	return func(claims map[string]any) { claims["sub"] = "system:serviceaccount:" + account }
}

func TestServiceAccountTokens(t *testing.T) {
	for way, flags := range map[string]func(*rig.Cluster) []string{"by TokenReview": reviewed, "by the issuer's keys": verified} {
		t.Run(way, func(t *testing.T) {
			cluster := rig.StartCluster(t)
			audit := filepath.Join(t.TempDir(), "audit.jsonl")
			w := rig.Start(t, rig.Setup{Flags: append(flags(cluster), "--audit-log", audit)})
			forged := "the API server rejects it"
			if way == "by the issuer's keys" {
				forged = "not a valid token of issuer " + cluster.URL
			}
			var all []string
			for name, test := range map[string]struct{ token, want string }{
				"right":             {cluster.Token(nil), ""},
				"of a namespace":    {cluster.Token(of("bi:metabase")), ""},
				"wrong signature":   {cluster.Forged(), forged},
				"wrong audience":    {cluster.Token(func(c map[string]any) { c["aud"] = []string{"https://kubernetes.default.svc"} }), `its audience is "https://kubernetes.default.svc", not "pgkeyless"`},
				"expired":           {cluster.Token(func(c map[string]any) { c["exp"] = time.Now().Add(-time.Second).Unix() }), "it expired at 2"},
				"long expired":      {cluster.Token(func(c map[string]any) { c["exp"] = time.Now().Add(-time.Hour).Unix() }), "it expired at 2"},
				"not listed":        {cluster.Token(of("shop:other")), "system:serviceaccount:shop:other may not connect"},
				"another cluster's": {rig.StartCluster(t).Token(nil), forged},
				"a password":        {"s3cret pass", "not a service-account token"},
			} {
				all = append(all, test.token[strings.LastIndexByte(test.token, '.')+1:])
				out, errs, err := psql(t, w.Conninfo("sslmode=require"), test.token)
				if test.want == "" && (err != nil || out != pgserver.AppUser) || test.want != "" && (err == nil || !strings.Contains(errs, test.want) || !strings.Contains(errs, "HINT:")) {
					t.Errorf("%s: %q, %v: %s; want %q", name, out, err, errs, test.want)
				}
			}
			if conn, err := pgx.Connect(t.Context(), w.Conninfo("sslmode=require password="+cluster.Token(nil))); err != nil {
				t.Errorf("pgx: %v", err)
			} else {
				conn.Close(t.Context())
			}
			if _, err := pgx.Connect(t.Context(), w.Conninfo("sslmode=require password="+cluster.Forged())); err == nil || !strings.Contains(err.Error(), "28P01") {
				t.Errorf("pgx with a forged token: %v", err)
			}
			// Without TLS nothing is asked for.
			if _, errs, err := psql(t, w.Conninfo("sslmode=disable"), cluster.Token(nil)); err == nil || !strings.Contains(errs, "requires TLS") || !strings.Contains(errs, "sslmode=require") {
				t.Errorf("without TLS: %v: %s", err, errs)
			}
			records := await(t, audit, 1)
			text, err := os.ReadFile(audit)
			if err != nil || !strings.Contains(string(text), `"identity":"system:serviceaccount:shop:orders"`) || !strings.Contains(string(text), `"identity":"system:serviceaccount:shop:other"`) {
				t.Errorf("the audit log does not say who it was: %v, %s", err, text)
			}
			for _, r := range records {
				if want := map[bool]string{true: "kubernetes", false: "none"}[r.Identity != ""]; r.Proof != want {
					t.Errorf("proof %q of %+v, want %q", r.Proof, r, want)
				}
			}
			for _, secret := range all {
				if strings.Contains(w.Proxy.Output(), secret) || strings.Contains(string(text), secret) {
					t.Errorf("the log has a token's signature")
				}
			}
		})
	}
}

// A token in the file from which libpq takes passwords is read for each connection.
func TestTokenInAPasswordFile(t *testing.T) {
	cluster := rig.StartCluster(t)
	w := rig.Start(t, rig.Setup{Flags: reviewed(cluster)})
	file := write(t, t.TempDir(), "pgpass", "*:*:*:*:"+cluster.Token(nil)+"\n")
	if out, errs, err := psql(t, w.Conninfo("sslmode=require passfile="+file), ""); err != nil || out != pgserver.AppUser {
		t.Errorf("%q, %v: %s", out, err, errs)
	}
}

func TestBurstOfTokensCostsOneReview(t *testing.T) {
	cluster := rig.StartCluster(t)
	w := rig.Start(t, rig.Setup{Flags: reviewed(cluster)})
	token := cluster.Token(nil)
	var logins sync.WaitGroup
	for range 20 {
		logins.Go(func() {
			conn, err := pgx.Connect(t.Context(), w.Conninfo("sslmode=require password="+token))
			if err != nil {
				t.Error(err)
				return
			}
			conn.Close(t.Context())
		})
	}
	logins.Wait()
	if n, _ := cluster.Counts(); n != 1 {
		t.Errorf("%d reviews for 20 logins with one token", n)
	}
}

func TestAPIServerDown(t *testing.T) {
	cluster := rig.StartCluster(t)
	w := rig.Start(t, rig.Setup{Flags: reviewed(cluster)})
	refused := func(when, state, message, hint string) {
		t.Helper()
		if got := w.Refused("sslmode=require password=" + cluster.Token(of("shop:orders"))); got.Code != state || !strings.Contains(got.Message, message) || !strings.Contains(got.Hint, hint) {
			t.Errorf("%s: %s %q, HINT %q", when, got.Code, got.Message, got.Hint)
		}
	}
	cluster.Break(503)
	refused("while it is overloaded", "08001", "HTTP status 503", "system:auth-delegator")
	cluster.Break(0)
	if _, errs, err := psql(t, w.Conninfo("sslmode=require"), cluster.Token(nil)); err != nil {
		t.Errorf("when it answers again: %v: %s", err, errs)
	}
	cluster.Rotate() // which makes the token of pgkeyless's own worthless, too
	refused("with a token of its own that does not count", "08004", "Unauthorized", "--serviceaccount=gateway:pgkeyless")
	cluster.Stop()
	refused("when it is gone", "08001", "connection refused", "system:auth-delegator")
}

func TestKeysOfTheIssuerChange(t *testing.T) {
	cluster := rig.StartCluster(t)
	w := rig.Start(t, rig.Setup{Flags: verified(cluster)})
	login := func(token string) error {
		_, _, err := psql(t, w.Conninfo("sslmode=require"), token)
		return err
	}
	old := cluster.Token(nil)
	for range 3 {
		if err := login(old); err != nil {
			t.Fatal(err)
		}
	}
	if reviews, fetches := cluster.Counts(); reviews != 0 || fetches != 1 {
		t.Errorf("%d reviews and %d fetches of the keys, want none and one", reviews, fetches)
	}
	cluster.Rotate()
	if err := login(cluster.Token(nil)); err != nil {
		t.Errorf("with the new key: %v", err)
	}
	if err := login(old); err == nil {
		t.Error("the old key still counts")
	}
	cluster.Stop() // which nobody notices
	if err := login(cluster.Token(nil)); err != nil {
		t.Errorf("while the issuer is away: %v", err)
	}
}

func TestKeysInAFile(t *testing.T) {
	cluster := rig.StartCluster(t)
	file := filepath.Join(t.TempDir(), "jwks.json")
	cluster.JWKS(file)
	w := rig.Start(t, rig.Setup{Flags: append(verified(cluster), "--kubernetes-jwks-file", file)})
	cluster.Stop()
	if _, errs, err := psql(t, w.Conninfo("sslmode=require"), cluster.Token(nil)); err != nil {
		t.Errorf("%v: %s", err, errs)
	}
	cluster.Rotate()
	cluster.JWKS(file)
	if err := os.Chtimes(file, time.Time{}, time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, errs, err := psql(t, w.Conninfo("sslmode=require"), cluster.Token(nil)); err != nil {
		t.Errorf("after the file has changed: %v: %s", err, errs)
	}
}

// What a service account may do stands in the config file.
func TestUsersThatAreServiceAccounts(t *testing.T) {
	cluster := rig.StartCluster(t)
	file := write(t, t.TempDir(), "pgkeyless.yaml", fmt.Sprintf(`
auth: kubernetes
kubernetes-server: %s
kubernetes-ca-file: %s
kubernetes-token-file: %s
users:
  "system:serviceaccount:shop:*": {database-users: app_user, read-only: true}
`, cluster.URL, cluster.CAFile, cluster.TokenFile))
	w := rig.Start(t, rig.Setup{Flags: []string{"--config-file", file}})
	show := func(token, query string) string {
		t.Helper()
		cmd := rig.PsqlCommand(t.Context(), w.Conninfo("sslmode=require"), "-c", query)
		cmd.Env = append(cmd.Env, "PGPASSWORD="+token, "PGAPPNAME=")
		out, _ := cmd.CombinedOutput()
		return strings.TrimSpace(string(out))
	}
	if got := show(cluster.Token(nil), "select current_user || ' ' || current_setting('default_transaction_read_only')"); got != "app_user on" {
		t.Errorf("a listed account: %q", got)
	}
	if got := show(cluster.Token(of("bi:metabase")), "select 1"); !strings.Contains(got, "this proxy does not let system:serviceaccount:bi:metabase in") {
		t.Errorf("another: %q", got)
	}
	// The accounts that the process lets in stay what they were at the start, so that a file
	// without users would let in all of them.
	for i, text := range []string{"auth: kubernetes\nkubernetes-accounts: shop/orders\n", "quiet: false\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := w.Proxy.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		if line := w.AwaitNth("configuration not reloaded", i+1); !strings.Contains(line, "kubernetes-accounts nor users") {
			t.Errorf("%q: the log tells %q", text, line)
		}
		if got := show(cluster.Token(of("bi:metabase")), "select 1"); !strings.Contains(got, "does not let system:serviceaccount:bi:metabase in") {
			t.Errorf("after a reload of %q, another: %q", text, got)
		}
	}
}
