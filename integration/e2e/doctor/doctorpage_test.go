package doctor

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

var update = flag.Bool("update", false, "write the transcripts of docs/doctor.md anew")

const doctorPage = "../../../docs/doctor.md"

// transcripts of docs/doctor.md, by the name in the mark above each.
var transcripts = []struct {
	name   string
	args   []string
	broken func(*testing.T, *rig.Clinic)
}{
	{"all good", []string{"doctor", lab.Host, "--via", lab.Target, "--user", "app_user"}, nil},
	{"start-session", []string{"doctor", lab.Host, "--via", lab.Target, "--user", "app_user"}, func(_ *testing.T, c *rig.Clinic) {
		const document = "arn:aws:ssm:eu-central-1::document/AWS-StartPortForwardingSessionToRemoteHost"
		c.AWS.FailNext("StartSession", "AccessDeniedException", "User: "+lab.ARN+" is not authorized to perform: ssm:StartSession on resource: "+document+
			" because no identity-based policy allows the ssm:StartSession action", -1)
		c.AWS.SetSimulation(func(_, action, resource string) awsemu.Decision {
			if action == "ssm:StartSession" && resource == document {
				return awsemu.ImplicitDeny
			}
			return awsemu.Allowed
		})
	}},
	{"stream", []string{"doctor", lab.Host, "--via", lab.Target, "--user", "app_user"}, func(t *testing.T, c *rig.Clinic) {
		c.AWS.SetHost(lab.Endpoint, rig.ClosedPort)
	}},
	{"login", []string{"doctor", lab.Host, "--via", lab.Target, "--user", "plain_user"}, nil},
	{"json", []string{"doctor", lab.Host, "--via", lab.Target, "--user", "plain_user", "--json"}, nil},
	{"policy", []string{"policy", lab.Host, "--via", lab.Target, "--user", "plain_user", "--check"}, nil},
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
			c := rig.OpenClinic(t, nil, nil)
			c.Env = func(env []string) []string {
				return append(env, "PGKEYLESS_CA_FILE="+c.Database.CAFile())
			}
			if show.broken != nil {
				show.broken(t, c)
			}
			stdout, stderr, code := c.Run(show.args...)
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
			if rig.Masked(got) == rig.Masked(want) {
				return
			}
			if *update {
				page = head + begin + got + "```\n" + tail
				return
			}
			t.Errorf("the binary prints\n%s\nthe page has\n%s\n(go test -C integration ./e2e/doctor -run TestDoctorPage -update writes it)", got, want)
		})
	}
	if *update {
		if err := os.WriteFile(doctorPage, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
