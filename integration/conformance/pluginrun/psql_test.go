package pluginrun_test

import (
	"context"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/conformance/pluginrun"
	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu/gateway"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// TestGenuinePluginCarriesPsql is the proof that the emulator is faithful: AWS's
// own client, at the agent's own pace, carries psql through it, two at once, and
// ends cleanly. psql does by hand what pgkeyless does for its users: it verifies
// the certificate and sends a token.
func TestGenuinePluginCarriesPsql(t *testing.T) {
	binary := build(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	aws, err := lab.StartAWS(rig.Shared.Keys, rig.Shared.Database.Address(), func(c *awsemu.Config) { c.OfficialClient, c.AckWithin = true, 15*time.Second })
	if err != nil {
		t.Fatal(err)
	}
	defer aws.Close()
	plugin, err := pluginrun.Start(ctx, pluginrun.Config{
		Binary: binary, Endpoint: aws.URL(), Region: lab.Region, Target: lab.Target, Host: lab.Host, Port: 5432,
		AccessKeyID: rig.Shared.Keys.AccessKeyID, SecretAccessKey: rig.Shared.Keys.SecretAccessKey, SessionToken: rig.Shared.Keys.SessionToken,
	})
	if err != nil {
		t.Fatal(err)
	}
	token, stderr, code := rig.Run(t, rig.Shared.Keys.Env(aws.URL()), "token", lab.Host+"?user="+pgserver.AppUser)
	if code != 0 {
		t.Fatalf("pgkeyless token: %s", stderr)
	}
	host, port, err := net.SplitHostPort(plugin.Address)
	if err != nil {
		t.Fatal(err)
	}
	conninfo := "host=" + lab.Host + " hostaddr=" + host + " port=" + port + " user=app_user dbname=app sslmode=verify-full sslrootcert=" + rig.Shared.Database.CAFile()

	// Each signs in and answers once both have, so they are connected at once.
	admin, err := rig.Shared.Database.AdminConn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(context.Background())
	if _, err := admin.Exec(ctx, "create table attendance(); grant insert, select on attendance to app_user"); err != nil {
		t.Fatal(err)
	}
	defer admin.Exec(context.Background(), "drop table attendance")
	const both = `do $$ begin
		for i in 1..2400 loop
			exit when (select count(*) from attendance) >= 2;
			perform pg_sleep(0.05);
		end loop;
	end $$`
	var clients sync.WaitGroup
	for range 2 {
		clients.Go(func() {
			cmd := rig.PsqlCommand(ctx, conninfo, "-q", "-c", "insert into attendance default values", "-c", both,
				"-c", "select count(*), repeat('x', 300000) from attendance")
			cmd.Env = append(cmd.Env, "PGPASSWORD="+strings.TrimSuffix(token, "\n"))
			out, err := cmd.CombinedOutput()
			if want := "2|" + strings.Repeat("x", 300000) + "\n"; err != nil || string(out) != want {
				t.Errorf("psql through the plugin: %v, %d bytes that begin with %.80q, want %d", err, len(out), out, len(want))
			}
		})
	}
	clients.Wait()
	if s := aws.Sessions(); len(s) != 1 || s[0].Streams < 2 {
		t.Errorf("sessions %+v, want one with two streams", s)
	}

	if err := plugin.Stop(ctx, os.Interrupt); err != nil {
		t.Errorf("the plugin's end: %v\n%s", err, plugin.Output())
	}
	ended, done := context.WithTimeout(ctx, 30*time.Second)
	defer done()
	if err := aws.Await(ended, gateway.AllEnded); err != nil {
		t.Errorf("the plugin left its session open: %+v", aws.Sessions())
	}
	if broken := aws.Violations(); len(broken) > 0 {
		t.Errorf("the genuine client breaks rules of the emulator: %q", broken)
	}
}
