package integration

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/causes"
	"github.com/pgkeyless/pgkeyless/integration/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/lab"
)

// fakeDatabase takes a login over TLS up to the password, and refuses it with
// words that only AWS's servers have.
type fakeDatabase struct {
	listener net.Listener
	tls      *tls.Config
	serving  sync.WaitGroup

	mu     sync.Mutex
	fields []string // of the ErrorResponse
	logins int
}

func startFakeDatabase(t *testing.T) *fakeDatabase {
	t.Helper()
	chain, key, err := shared.database.CA().Issue(lab.Host)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := tls.X509KeyPair(chain, key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeDatabase{listener: l, tls: &tls.Config{Certificates: []tls.Certificate{certificate}}}
	f.serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f.serving.Go(func() { f.refuse(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		f.serving.Wait()
	})
	return f
}

// say sets the words of the next refusals and forgets the logins so far.
func (f *fakeDatabase) say(fields ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fields, f.logins = fields, 0
}

func (f *fakeDatabase) seen() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.logins
}

func (f *fakeDatabase) refuse(raw net.Conn) {
	defer raw.Close()
	raw.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.ReadFull(raw, make([]byte, 8)); err != nil { // SSLRequest
		return
	}
	raw.Write([]byte("S"))
	c := tls.Server(raw, f.tls)
	head := make([]byte, 4)
	if _, err := io.ReadFull(c, head); err != nil {
		return
	}
	if _, err := io.CopyN(io.Discard, c, int64(binary.BigEndian.Uint32(head))-4); err != nil { // StartupMessage
		return
	}
	c.Write([]byte{'R', 0, 0, 0, 8, 0, 0, 0, 3})
	head = make([]byte, 5)
	if _, err := io.ReadFull(c, head); err != nil {
		return
	}
	if _, err := io.CopyN(io.Discard, c, int64(binary.BigEndian.Uint32(head[1:]))-4); err != nil { // the token
		return
	}
	f.mu.Lock()
	body := strings.Join(f.fields, "\x00") + "\x00\x00"
	f.logins++
	f.mu.Unlock()
	c.Write(append(binary.BigEndian.AppendUint32([]byte{'E'}, uint32(len(body)+4)), body...))
	c.Close()
}

// TestEveryRefusalIsExplained goes through the rows for what RDS, RDS Proxy, DSQL
// and Redshift say: the client gets their words first, then who and where, then
// what to do. Only what may pass is tried a second time.
func TestEveryRefusalIsExplained(t *testing.T) {
	f := startFakeDatabase(t)
	w := start(t, setup{emulator: func(c *awsemu.Config) { c.Hosts[lab.Endpoint] = f.listener.Addr().String() }})
	for _, row := range causes.Refusals() {
		t.Run(row.Name, func(t *testing.T) {
			words := fmt.Sprintf("as they say it: %s, for role x", row.Says)
			f.say("SFATAL", "VFATAL", "C28000", "M"+words)
			got := w.refused("")
			if got.Code != "28000" || got.Message != words {
				t.Errorf("got %s %q, want the server's own words %q", got.Code, got.Message, words)
			}
			if want := `tried to log in to ` + lab.Host + ` as user "app_user" with an IAM token of ` + lab.ARN +
				", signed for " + lab.Endpoint + " in " + lab.Region + ", jump host " + lab.Target; got.Detail != want {
				t.Errorf("DETAIL %q, want %q", got.Detail, want)
			}
			literal, _, _ := strings.Cut(row.Hint, "{")
			if literal == "" || !strings.HasPrefix(got.Hint, literal) || strings.ContainsAny(strings.ReplaceAll(got.Hint, `{"Effect"`, ""), "{") {
				t.Errorf("HINT %q, want all of %q filled in", got.Hint, row.Hint)
			}
			if n, want := f.seen(), map[bool]int{false: 1, true: 2}[row.Passing]; n != want {
				t.Errorf("%d logins, want %d", n, want)
			}
		})
	}
	t.Run("their own hint stays", func(t *testing.T) {
		f.say("SFATAL", "C08006", "Munable to accept connection, access denied", "HSignature expired: then")
		if got := w.refused(""); got.Code != "08006" || got.Hint != "Signature expired: then" || !strings.Contains(got.Detail, lab.ARN) {
			t.Errorf("got %s, HINT %q, DETAIL %q", got.Code, got.Hint, got.Detail)
		}
	})
	t.Run(causes.ClockWrong.Name, func(t *testing.T) {
		w.aws.SetClock(7 * time.Minute)
		defer w.aws.SetClock(0)
		f.say("SFATAL", "C28000", `MPAM authentication failed for user "app_user"`)
		if got := w.refused(""); !strings.HasPrefix(got.Hint, "set this machine's clock: ") || !strings.Contains(got.Detail, "behind AWS's") {
			t.Errorf("DETAIL %q, HINT %q, want the clock", got.Detail, got.Hint)
		}
	})
}

// TestRefusalsKnowTheDatabase lets RDS be asked after a refused login: whether
// the database takes tokens at all, and what its resource id is. Where that is
// not allowed the words are those for a database that nobody knows.
func TestRefusalsKnowTheDatabase(t *testing.T) {
	f := startFakeDatabase(t)
	f.say("SFATAL", "C28000", `MPAM authentication failed for user "app_user"`)
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
			w := start(t, setup{
				emulator:  func(c *awsemu.Config) { c.Hosts[lab.Endpoint] = f.listener.Addr().String() },
				databases: awsemu.Databases{Instances: []awsemu.DBInstance{{Identifier: "orders", ResourceID: "db-REAL", Host: lab.Host, NoIAM: test.noIAM}}},
				faults:    test.fault,
			})
			if n := w.aws.Calls()["DescribeDBInstances"]; n != 0 {
				t.Errorf("RDS was asked %d times before any login", n)
			}
			began := time.Now()
			w.mustRefuse(test.cause.Name, "28000", "PAM authentication failed", lab.ARN, test.hint)
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("the refusal took %v", took)
			}
			if test.fault == nil {
				w.refused("")
				if n := w.aws.Calls()["DescribeDBInstances"]; n != 1 {
					t.Errorf("RDS was asked %d times for two refusals, want once", n)
				}
			} else if out := w.proxy.Output(); strings.Contains(out, "DescribeDBInstances") {
				t.Errorf("a look-up that failed is spoken of:\n%s", out)
			}
		})
	}
}
