package integration

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

var update = flag.Bool("update", false, "write the transcripts of docs/doctor.md anew")

const doctorPage = "../docs/doctor.md"

// transcripts of docs/doctor.md, by the name in the mark above each.
var transcripts = []struct {
	name   string
	args   []string
	broken func(*testing.T, *clinic)
}{
	{"all good", []string{"doctor", lab.Host, "--via", lab.Target, "--user", "app_user"}, nil},
	{"start-session", []string{"doctor", lab.Host, "--via", lab.Target, "--user", "app_user"}, func(_ *testing.T, c *clinic) {
		const document = "arn:aws:ssm:eu-central-1::document/AWS-StartPortForwardingSessionToRemoteHost"
		c.aws.FailNext("StartSession", "AccessDeniedException", "User: "+lab.ARN+" is not authorized to perform: ssm:StartSession on resource: "+document+
			" because no identity-based policy allows the ssm:StartSession action", -1)
		c.aws.SetSimulation(func(_, action, resource string) awsemu.Decision {
			if action == "ssm:StartSession" && resource == document {
				return awsemu.ImplicitDeny
			}
			return awsemu.Allowed
		})
	}},
	{"stream", []string{"doctor", lab.Host, "--via", lab.Target, "--user", "app_user"}, func(t *testing.T, c *clinic) {
		c.aws.SetHost(lab.Endpoint, closedPort)
	}},
	{"login", []string{"doctor", lab.Host, "--via", lab.Target, "--user", "plain_user"}, nil},
	{"json", []string{"doctor", lab.Host, "--via", lab.Target, "--user", "plain_user", "--json"}, nil},
	{"policy", []string{"policy", lab.Host, "--via", lab.Target, "--user", "plain_user", "--check"}, nil},
}

// masks are what differs from run to run: times, ports, ids, versions, dates.
var masks = []*regexp.Regexp{
	regexp.MustCompile(` +\d+\.\d{3} s `),
	regexp.MustCompile(`"seconds":[0-9.e-]+`),
	regexp.MustCompile(`round trip \S+ `),
	regexp.MustCompile(`about [0-9.]+ MB/s`),
	regexp.MustCompile(`\bada-[0-9a-z]+`),
	regexp.MustCompile(`session/[0-9A-Z]+-`),
	regexp.MustCompile(`PostgreSQL \d[^"\n]*`),
	regexp.MustCompile(`TLS 1\.\d`),
	regexp.MustCompile(`\b20\d\d-\d\d-\d\d\b`),
	regexp.MustCompile(`127\.0\.0\.1:\d+`),
	regexp.MustCompile(`request id [0-9a-f-]+`),
}

func masked(s string) string {
	for _, m := range masks {
		s = m.ReplaceAllString(s, "…")
	}
	return s
}

// TestDoctorPageShowsWhatItPrints holds docs/doctor.md to the binary.
func TestDoctorPageShowsWhatItPrints(t *testing.T) {
	b, err := os.ReadFile(doctorPage)
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	if n := strings.Count(page, "<!-- transcript: "); n != len(transcripts) {
		t.Errorf("%d transcripts on the page, want %d", n, len(transcripts))
	}
	for _, show := range transcripts {
		t.Run(show.name, func(t *testing.T) {
			c := openClinic(t, nil, nil)
			c.env = func(env []string) []string {
				return append(env, "PGKEYLESS_CA_FILE="+c.database.CAFile())
			}
			if show.broken != nil {
				show.broken(t, c)
			}
			stdout, stderr, code := c.run(show.args...)
			if stderr != "" {
				t.Errorf("stderr %q", stderr)
			}
			got := fmt.Sprintf("$ pgkeyless %s\n%s$ echo $?\n%d\n", strings.Join(show.args, " "), stdout, code)
			begin := "<!-- transcript: " + show.name + " -->\n```console\n"
			head, rest, begins := strings.Cut(page, begin)
			want, tail, ends := strings.Cut(rest, "```\n")
			if !begins || !ends {
				t.Fatalf("the page lacks %q", begin)
			}
			if masked(got) == masked(want) {
				return
			}
			if *update {
				page = head + begin + got + "```\n" + tail
				return
			}
			t.Errorf("the binary prints\n%s\nthe page has\n%s\n(go test ./integration -run TestDoctorPage -update writes it)", got, want)
		})
	}
	if *update {
		if err := os.WriteFile(doctorPage, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
