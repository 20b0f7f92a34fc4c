//go:build linux

// Package office runs pgkeyless in a corporate network, whose only way out is an
// HTTP proxy that opens TLS.
package office

import (
	"slices"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/integration/rig"
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
