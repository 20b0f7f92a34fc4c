package status

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func example() Document {
	at := time.Date(2026, 1, 2, 12, 30, 0, 0, time.Local)
	since, ends := at.Add(-27*time.Minute), at.Add(42*time.Minute)
	return Document{
		Version: Version,
		At:      at,
		Proxy: Proxy{Release: "0.1.0", PID: 4711, State: Serving, Uptime: 7980, ConfigFile: "/home/ada/pgkeyless.yaml",
			Reload: &Reload{At: at.Add(-time.Hour), OK: true}, Open: 2, Accepted: 31, MaxConnections: 200},
		Credentials: []Credential{{Profile: "dev", Known: true, ARN: "arn:aws:sts::111122223333:assumed-role/dev/ada", Expires: &ends, ExpiresIn: 2520, Renewable: true}, {}},
		Warnings:    []Warning{{Text: "the root certificate that vouches for orders ends on 2026-03-01", Hint: "rotate the database's CA certificate"}},
		Targets: []Target{
			{Name: "orders", State: Up, Open: 2, Peak: 5, Endpoint: "orders.abc.eu-central-1.rds.amazonaws.com:5432", Via: "i-0abc", Region: "eu-central-1",
				Listen: []string{"127.0.0.1:5432"}, Psql: "psql -h 127.0.0.1", URL: "postgresql://127.0.0.1", JDBC: "jdbc:postgresql://127.0.0.1",
				Logins:   Logins{Quarter: Outcomes{OK: 12}},
				Last:     &Login{At: at.Add(-time.Minute), Took: 0.182, Stages: []Stage{{"tunnel", 0.15}, {"auth", 0.032}}},
				Traffic:  Traffic{UpNow: 2100, DownNow: 880_000},
				Sessions: []Session{{ID: "ada-0123456789abcdef0", JumpHost: "i-0abc", State: "ready", Age: 3600, Streams: 2, Resumes: 1, Trip: 0.021, Now: 882_000}},
			},
			{Name: "reports", State: Failing, FailingSince: &since, Logins: Logins{Quarter: Outcomes{Failed: 3, Refused: 1}}, Failure: &Failure{At: at, Stage: "tunnel",
				Cause: "database-refuses", SQLState: "08001", Message: "jump host i-0abc cannot connect to reports.abc.eu-central-1.rds.amazonaws.com:5432",
				Detail: "SSM session ada-1 on i-0abc", Hint: "the database's security group must allow the jump host on this port"}},
		},
		Clients: []Client{
			{ID: 7, Target: "orders", From: "127.0.0.1:50000", User: "app_user", Database: "app", Application: "psql", State: "active", Up: 1200, Down: 5_000_000},
			{ID: 9, Target: "orders", Peer: "ada (pid 99)", From: "/run/x", User: "app_user", Database: "app", Application: "PostgreSQL JDBC Driver", State: "idle", Quiet: 75},
		},
		Events: []Event{{At: at, Level: "error", Text: "session ended", Target: "reports", Facts: []Fact{{"reason", "login failed"}}}},
	}
}

func TestTextSaysWhatIsWrongFirst(t *testing.T) {
	got := Text{Width: 80}.Write(example())
	want := `pgkeyless 0.1.0, pid 4711, up 2 h 13 min, serving
config   /home/ada/pgkeyless.yaml, reloaded 11:30:00
clients  2 open, at most 200; 31 since the start
AWS      dev: arn:aws:sts::111122223333:assumed-role/dev/ada, renewed in 42 min
AWS      default: not needed yet

reports: logins fail since 12:03:00
  jump host i-0abc cannot connect to
  reports.abc.eu-central-1.rds.amazonaws.com:5432 (SQLSTATE 08001, at stage
  tunnel)
  detail: SSM session ada-1 on i-0abc
  hint: the database's security group must allow the jump host on this port

warning
  the root certificate that vouches for orders ends on 2026-03-01
  hint: rotate the database's CA certificate

TARGET   STATE    OPEN  PEAK  OK 15M  REFUSED  FAIL   LOGIN        UP      DOWN
orders   up          2     5      12        0     0  182 ms  2.1 kB/s  880 kB/s
reports  failing     0     0       0        1     3       -     0 B/s     0 B/s

SSM SESSION     TARGET  JUMP HOST  STATE  AGE  STREAMS  RESUMED   TRIP       NOW
ada-012345678…  orders  i-0abc     ready  60m        2        1  21 ms  882 kB/s

ID  TARGET  FROM        USER      DATABASE  APP         STATE         UP    DOWN
 7  orders  127.0.0.1…  app_user  app       psql        active    1.2 kB  5.0 MB
 9  orders  ada (pid …  app_user  app       PostgreSQ…  idle 75s     0 B     0 B

LATELY
12:30:00  session ended  reports  login failed
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Nothing that can give way makes a line longer than the terminal, and colors change
// no text.
func TestTextFitsItsWidth(t *testing.T) {
	d := example()
	d.Proxy.ConfigFile = ""
	for i := range d.Clients {
		d.Clients[i].Application = strings.Repeat("long ", 40)
		d.Clients[i].From = strings.Repeat("x", 100)
	}
	plain := Text{Width: 80}.Write(d)
	for line := range strings.Lines(plain) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Errorf("%d characters: %q", n, line)
		}
	}
	colored := Text{Width: 80, Color: true}.Write(d)
	for _, code := range []string{bold, red, yellow, green, "0"} {
		if !strings.Contains(colored, "\x1b["+code+"m") {
			t.Errorf("no color %s", code)
		}
		colored = strings.ReplaceAll(colored, "\x1b["+code+"m", "")
	}
	if colored != plain {
		t.Errorf("colors change the text:\n%s\nwant\n%s", colored, plain)
	}
}

func TestTextOfOneTarget(t *testing.T) {
	got := Text{Width: 80, Only: "ORDERS"}.Write(example())
	for _, want := range []string{"leads to  orders.abc.", "via i-0abc", "connect   psql -h", "tunnel 150 ms, auth 32 ms"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "reports:") {
		t.Errorf("another target in\n%s", got)
	}
}

func TestTextOfManyClients(t *testing.T) {
	d := example()
	for range 100 {
		d.Clients = append(d.Clients, d.Clients[0])
	}
	if got := (Text{Width: 80}).Write(d); !strings.Contains(got, "and 82 more; --json has all") {
		t.Errorf("got\n%s", got)
	}
}
