package dsql

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/dsql"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

// privateHost is an endpoint of PrivateLink, which only a VPC knows.
const privateHost = lab.DSQLID + ".dsql-fnh4." + lab.Region + ".on.aws"

// An endpoint of PrivateLink is reached through a jump host, however TLS begins, with a
// token and a certificate for its own name.
func TestPrivateLinkNeedsAWay(t *testing.T) {
	_, stderr, code := rig.Run(t, rig.StartCloud(t).Env, privateHost, "--port", "0", "--unix-socket", "none")
	if code != 1 || !strings.Contains(stderr, "no jump host given") {
		t.Errorf("without via: code %d\n%s", code, stderr)
	}
	d := rig.StartDSQL(t, func(c *dsql.Config) { c.Host = privateHost })
	for name, how := range map[string]dsql.TLS{"direct": dsql.DirectTLS, "request": dsql.RequestTLS} {
		t.Run(name, func(t *testing.T) {
			d.SetTLS(how)
			w := rig.Start(t, rig.Setup{
				Args:     []string{privateHost + "?via=" + lab.Target + "&ca-file=" + d.CAFile()},
				Emulator: func(c *awsemu.Config) { c.Hosts[privateHost+":5432"] = d.Address() },
			})
			if got := answer(t, w, "admin", whoAmI); got != "admin in postgres" {
				t.Errorf("psql printed %q", got)
			}
			if l := last(t, d); l.Direct != (how == dsql.DirectTLS) {
				t.Errorf("%+v", l)
			}
			if n := len(w.AWS.Sessions()); n == 0 {
				t.Error("no SSM session")
			}
		})
	}
}

// A cancel request takes the way that the login took.
func TestCancel(t *testing.T) {
	d := rig.StartDSQL(t, nil)
	for name, how := range map[string]dsql.TLS{"direct": dsql.DirectTLS, "request": dsql.RequestTLS} {
		t.Run(name, func(t *testing.T) {
			d.SetTLS(how)
			w := start(t, d, lab.DSQLHost)
			conn, err := pgx.Connect(t.Context(), at(t, w, "admin")+" sslmode=disable")
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(context.Background())
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			ended := make(chan error, 1)
			began := make(chan struct{})
			go func() {
				close(began)
				_, err := conn.Exec(ctx, "select pg_sleep(600)")
				ended <- err
			}()
			<-began
			for { // until the statement has begun, there is nothing to cancel
				if err := conn.PgConn().CancelRequest(ctx); err != nil {
					t.Fatal(err)
				}
				select {
				case err := <-ended:
					if err == nil || !strings.Contains(err.Error(), "57014") {
						t.Errorf("the statement ended with %v, want 57014", err)
					}
					return
				case <-ctx.Done():
					t.Fatal("the statement goes on")
				default:
				}
			}
		})
	}
}
