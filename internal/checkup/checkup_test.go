package checkup

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgkeyless/pgkeyless/auth"
	"github.com/pgkeyless/pgkeyless/internal/credentials"
	"github.com/pgkeyless/pgkeyless/internal/database"
	"github.com/pgkeyless/pgkeyless/internal/discover"
	"github.com/pgkeyless/pgkeyless/internal/doctor"
	"github.com/pgkeyless/pgkeyless/internal/testenv"
	"github.com/pgkeyless/pgkeyless/proxy"
)

// silence is a database that takes connections and says nothing.
type silence struct{ database net.Conn }

func (s *silence) DialContext(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	s.database = far
	go func() { // ends with the conn
		for b := make([]byte, 64); ; {
			if _, err := far.Read(b); err != nil {
				return
			}
		}
	}()
	return near, nil
}

// A login that was not answered in time is told as what it may be: a database
// that scaled to zero, where there can be one.
func TestSilentAuroraMayBeWaking(t *testing.T) {
	const aurora = "sales.cluster-c9akciq32abc.eu-central-1.rds.amazonaws.com"
	waking := "scaled to zero"
	for _, test := range []struct {
		host  string
		found discover.Database
		late  bool
		want  bool
	}{
		{host: aurora, late: true, want: true},
		{host: testenv.Orders, found: discover.Database{Kind: database.Instance, Engine: "aurora-postgresql"}, late: true, want: true},
		{host: testenv.Orders, found: discover.Database{Kind: database.Instance, Engine: "postgres"}, late: true},
		{host: testenv.Orders, late: true},
		{host: aurora}, // another failure
	} {
		t.Run(fmt.Sprintf("%s %s %v", test.host, test.found.Engine, test.late), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out bytes.Buffer
				walk := doctor.New(doctor.NewPlain(&out))
				c := New(Config{Target: testenv.Target(test.host, nil), Walk: walk, Profiles: new(credentials.Profiles), Log: slog.New(slog.DiscardHandler)})
				endpoint, err := auth.ParseEndpoint(test.host)
				if err != nil {
					t.Fatal(err)
				}
				c.login.Endpoint, c.login.Database, c.found = endpoint, test.found, test.found.Kind != 0
				walk.Begin(doctor.Stream)
				failure := errors.New("connection refused")
				if test.late {
					quiet := new(silence)
					_, failure = proxy.Probe(t.Context(), proxy.Route{Name: "db", Address: endpoint.Address(), Dialer: quiet, TLS: func() *tls.Config { return &tls.Config{ServerName: endpoint.Host} }}, "ada", "postgres", 0, func(proxy.ProbeStep) {})
					quiet.database.Close()
					if failure == nil {
						t.Fatal("a silent database let in")
					}
				}
				c.broken(failure)
				if got := strings.Contains(out.String(), waking); got != test.want {
					t.Errorf("%q told: %v, want %v\n%s", waking, got, test.want, out.String())
				}
			})
		})
	}
}

// Whoever can do nothing about a certificate that ends soon is not told to do something.
func TestCertificatesThatEndSoon(t *testing.T) {
	ca := testenv.NewCA(t, "a CA")
	soon, err := x509.ParseCertificate(ca.LeafUntil(t, testenv.Orders, time.Now().Add(leafWorth/2)).Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		found discover.Database
		warns bool
	}{
		{discover.Database{Kind: database.Instance}, true},
		{discover.Database{Kind: database.Cluster}, true},
		{discover.Database{Kind: database.Cluster, Express: true}, false},
		{discover.Database{Kind: database.Proxy}, false},
		{discover.Database{Kind: database.DSQL}, false},
	} {
		var out bytes.Buffer
		walk := doctor.New(doctor.NewPlain(&out))
		c := New(Config{Target: testenv.Target(testenv.Orders, nil), Walk: walk, Profiles: new(credentials.Profiles), Log: slog.New(slog.DiscardHandler)})
		c.login.Database = test.found
		walk.Begin(doctor.TLS)
		c.tellTLS(tls.ConnectionState{Version: tls.VersionTLS13, ServerName: testenv.Orders, VerifiedChains: [][]*x509.Certificate{{soon, ca.Cert}}})
		if got := strings.Contains(out.String(), "expires soon"); got != test.warns {
			t.Errorf("%s, express: %v: warns: %v, want %v\n%s", test.found.Kind, test.found.Express, got, test.warns, out.String())
		}
	}
}
