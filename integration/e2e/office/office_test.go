//go:build linux

// Package office runs pgkeyless in a corporate network, whose only way out is an
// HTTP proxy that opens TLS.
package office

import (
	"slices"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

// host is that of a service.
func host(service string) string { return service + "." + lab.Region + ".amazonaws.com" }

// With AWS_CA_BUNDLE everything works, from the start to a query, and nothing is
// asked for that is not needed.
func TestAllWorksThroughTheProxy(t *testing.T) {
	t.Parallel()
	for _, profile := range []string{"keys", "sso", "role"} {
		t.Run(profile, func(t *testing.T) {
			t.Parallel()
			o := rig.OpenOffice(t)
			s, want := rig.Setup{}, []string{host("ssm") + ":443", host("ssmmessages") + ":443"}
			switch profile {
			case "sso":
				s, _ = rig.WithPerson(t, "sso", "--sso-login")
				want = append(want, host("oidc")+":443", host("portal.sso")+":443")
			case "role":
				s, _ = rig.WithPerson(t, "mfa", "--mfa-command", "echo "+rig.MFACode)
				want = append(want, host("sts")+":443")
			}
			w := rig.Start(t, o.Enter(s, true))
			if profile == "sso" {
				rig.AllowLogin(t, w)
			}
			if got := w.Query("", rig.WhoAmI); got != rig.ItsMe {
				t.Errorf("got %q, want %q", got, rig.ItsMe)
			}
			w.End()
			asked := o.Asked()
			slices.Sort(asked)
			slices.Sort(want)
			if got := slices.Compact(asked); !slices.Equal(got, want) {
				t.Errorf("asked for %q, want %q", got, want)
			}
		})
	}
}

// A VPC endpoint without private DNS has a name of its own: the one that AWS puts
// into stream URLs leads nowhere there.
func TestMessagesEndpoint(t *testing.T) {
	t.Parallel()
	const vpce = "vpce-0123-abcd.ssmmessages." + lab.Region + ".vpce.amazonaws.com"
	for name, set := range map[string]rig.Setup{
		"option":           {Options: []string{"ssmmessages-endpoint=https://" + vpce}},
		"flag":             {Flags: []string{"--ssmmessages-endpoint", vpce}},
		"variable":         {Env: func(env []string) []string { return append(env, "AWS_ENDPOINT_URL_SSMMESSAGES=https://"+vpce) }},
		"our own variable": {Env: func(env []string) []string { return append(env, "PGKEYLESS_SSMMESSAGES_ENDPOINT=https://"+vpce) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := rig.OpenOffice(t)
			o.Answer(host("ssmmessages"), rig.Gate{Status: 503})
			set.Options = append(set.Options, "sessions=1")
			w := rig.Start(t, o.Enter(set, true))
			conn := w.Connect("")
			w.AWS.CutWebsockets() // the next URL is ResumeSession's
			if _, err := conn.Exec(t.Context(), "select 1"); err != nil {
				t.Errorf("after a cut: %v", err)
			}
			want := []string{host("ssm") + ":443", vpce + ":443"}
			asked := o.Asked()
			slices.Sort(asked)
			if got := slices.Compact(asked); !slices.Equal(got, want) {
				t.Errorf("asked for %q, want %q", got, want)
			}
		})
	}
	for _, bad := range []string{"http://" + vpce, "https://" + vpce + "/path"} {
		c := rig.OpenClinic(t, nil, nil)
		c.Env = func(env []string) []string { return append(env, "AWS_ENDPOINT_URL_SSMMESSAGES="+bad) }
		_, stderr, code := c.Run("serve", c.Target(), "--port", "0")
		if code == 0 || !strings.Contains(stderr, "AWS_ENDPOINT_URL_SSMMESSAGES: ") || !strings.Contains(stderr, bad) || !strings.Contains(stderr, "hint: write it as https://HOST") {
			t.Errorf("%s: ended with %d: %s", bad, code, stderr)
		}
	}
}

// An emulator on this machine may serve the websocket without TLS.
func TestMessagesEndpointOnLoopback(t *testing.T) {
	t.Parallel()
	url := ""
	w := rig.Start(t, rig.Setup{
		Faults: func(e *awsemu.Emulator) { url = e.URL(); e.SetStreamOrigin("wss://ssmmessages.nowhere.example") },
		Env:    func(env []string) []string { return append(env, "AWS_ENDPOINT_URL_SSMMESSAGES="+url) },
	})
	if got := w.Query("", rig.WhoAmI); got != rig.ItsMe {
		t.Errorf("got %q, want %q", got, rig.ItsMe)
	}
}

func TestDoctorThroughTheProxy(t *testing.T) {
	t.Parallel()
	o := rig.OpenOffice(t)
	c := rig.OpenClinic(t, nil, nil)
	o.Attach(c.AWS)
	c.Env = o.TrustingEnv
	lines, code := c.Stages(c.Target("user=app_user"))
	for _, l := range lines {
		if l.Status != "ok" && l.Result != "ok" || strings.Contains(l.Text, "cannot reach") {
			t.Errorf("%+v", l)
		}
	}
	if code != 0 {
		t.Errorf("doctor ended with %d", code)
	}
}
