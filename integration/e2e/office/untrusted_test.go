//go:build linux

package office

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

// certainly is how long a failure may take that no further try can mend. It took
// 8 s of tries with STS or Systems Manager, and more with both.
const certainly = 2 * time.Second

// blames are the services on the way, and how to meet each.
var blames = map[string]struct {
	setup func(*testing.T) rig.Setup
	first []string // that answer before it
}{
	"ssm":         {},
	"ssmmessages": {first: []string{"ssm"}},
	"sts": {setup: func(t *testing.T) rig.Setup {
		s, _ := rig.WithPerson(t, "mfa", "--mfa-command", "echo "+rig.MFACode)
		return s
	}},
	"oidc": {setup: func(t *testing.T) rig.Setup {
		s, _ := rig.WithPerson(t, "sso", "--sso-login")
		return s
	}},
}

// A certificate that is not trusted, is for another name or has expired is
// reported as that of the host that it is about, whichever that is, at once and
// after one try. Nobody blames the database or asks for its roots.
func TestCertificateIsBlamedOnItsHost(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name          string
		gate          rig.Gate
		cause         string
		message, hint string
		trusting      bool
	}{
		{"no AWS_CA_BUNDLE", rig.Gate{}, "aws-certificate-untrusted", "is not trusted: x509: certificate signed by unknown authority", "AWS_CA_BUNDLE", false},
		{"another CA", rig.Gate{Cert: rig.OtherCert}, "aws-certificate-untrusted", "is not trusted: x509: certificate signed by unknown authority", "AWS_CA_BUNDLE is /", true},
		{"another name", rig.Gate{For: "portal.example.com"}, "aws-certificate-name", "valid for portal.example.com", "NO_PROXY", true},
		{"expired", rig.Gate{Cert: rig.ExpiredCert}, "aws-certificate-expired", "has expired", "clock", true},
	} {
		for service, blame := range blames {
			if service == "ssmmessages" && !tt.trusting {
				continue // ssm comes first
			}
			t.Run(tt.name+"/"+service, func(t *testing.T) {
				t.Parallel()
				o := rig.OpenOffice(t)
				o.Answer(host(service), tt.gate)
				s := rig.Setup{}
				if blame.setup != nil {
					s = blame.setup(t)
				}
				w := rig.Start(t, o.Enter(s, tt.trusting))
				began := time.Now()
				got := w.Refused("")
				if took := time.Since(began); took > certainly && !lab.Race {
					t.Errorf("told after %v, want at once", took)
				}
				if got.Code != "08001" || !strings.Contains(got.Message, host(service)+" presents") || !strings.Contains(got.Message, tt.message) ||
					!strings.HasPrefix(got.Detail, host(service)+", through HTTP proxy "+strings.TrimPrefix(o.URL, "http://")) || !strings.Contains(got.Hint, tt.hint) {
					t.Errorf("%s %q, DETAIL %q, HINT %q", got.Code, got.Message, got.Detail, got.Hint)
				}
				w.AwaitCause(tt.cause)
				want := []string{host(service) + ":443"}
				for _, other := range blame.first {
					want = append([]string{host(other) + ":443"}, want...)
				}
				asked := slices.DeleteFunc(o.Asked(), func(address string) bool { // to end the session that was started
					return len(blame.first) > 0 && address == host("ssm")+":443"
				})
				if want = want[len(blame.first):]; !slices.Equal(asked, want) {
					t.Errorf("asked for %q, want %q", asked, want)
				}
			})
		}
	}
}

// An Identity Center that lets people log in, and whose other host is opened.
func TestCertificateOfThePortal(t *testing.T) {
	t.Parallel()
	o := rig.OpenOffice(t)
	o.Answer(host("portal.sso"), rig.Gate{Cert: rig.OtherCert})
	s, _ := rig.WithPerson(t, "sso", "--sso-login")
	w := rig.Start(t, o.Enter(s, true))
	rig.AllowLogin(t, w)
	w.MustRefuse("aws-certificate-untrusted", "08001", host("portal.sso")+" presents is not trusted", host("portal.sso")+", through HTTP proxy", "AWS_CA_BUNDLE")
	if n := strings.Count(strings.Join(o.Asked(), " "), "portal"); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

// A session whose websocket is lost where the next one is opened by a proxy (a
// laptop that came into the office) is not lost: it is resumed when the way is
// clear again.
func TestResumptionOutlivesAnInspectingProxy(t *testing.T) {
	t.Parallel()
	o := rig.OpenOffice(t)
	w := rig.Start(t, o.Enter(rig.Setup{Options: []string{"sessions=1"}}, true))
	conn := w.Connect("")
	o.Answer("", rig.Gate{Cert: rig.OtherCert})
	w.AWS.CutWebsockets()
	w.AwaitLine("ssm session not resumed yet, still trying")
	o.Forget()
	if _, err := conn.Exec(t.Context(), "select 1"); err != nil {
		t.Errorf("after the proxy was gone: %v", err)
	}
	if out := w.Proxy.Output(); !strings.Contains(out, host("ssm")+" presents is not trusted") && !strings.Contains(out, host("ssmmessages")+" presents is not trusted") {
		t.Errorf("the log does not say why:\n%s", out)
	}
}

// What the proxy answers to CONNECT is told with the host that it was asked for. A
// refusal is taken for the last word.
func TestProxyThatRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		gate          rig.Gate
		cause         string
		message, hint string
		once          bool
	}{
		{rig.Gate{Status: 403}, "http-proxy-refuses", "443: 403 Forbidden", "NO_PROXY", true},
		{rig.Gate{Status: 407}, "http-proxy-login", "requires a login to reach", "USER:PASSWORD", true},
		{rig.Gate{Status: 502}, "http-proxy-refuses", "443: 502 Bad Gateway", "NO_PROXY", false},
		{rig.Gate{HangUp: true}, "http-proxy-refuses", "the connection ended without an answer", "NO_PROXY", false},
	} {
		for service, blame := range blames {
			t.Run(fmt.Sprintf("%+v/%s", tt.gate, service), func(t *testing.T) {
				t.Parallel()
				o := rig.OpenOffice(t)
				o.Answer(host(service), tt.gate)
				s := rig.Setup{}
				if blame.setup != nil {
					s = blame.setup(t)
				}
				w := rig.Start(t, o.Enter(s, true))
				began := time.Now()
				got := w.Refused("")
				if took := time.Since(began); took > certainly && tt.once && !lab.Race || took > rig.ErrorLimit {
					t.Errorf("told after %v", took)
				}
				if got.Code != "08001" || !strings.Contains(got.Message, "HTTP proxy "+strings.TrimPrefix(o.URL, "http://")) || !strings.Contains(got.Message, host(service)) ||
					!strings.Contains(got.Message, tt.message) || !strings.Contains(got.Hint, tt.hint) {
					t.Errorf("%s %q, DETAIL %q, HINT %q", got.Code, got.Message, got.Detail, got.Hint)
				}
				w.AwaitCause(tt.cause)
				n := 0
				for _, address := range o.Asked() {
					if address == host(service)+":443" {
						n++
					}
				}
				if tt.once && n != 1 || n == 0 || n > 12 {
					t.Errorf("asked %d times", n)
				}
			})
		}
	}
}

// A proxy that is reached by TLS itself is blamed for its own certificate.
func TestCertificateOfTheProxy(t *testing.T) {
	t.Parallel()
	proxy := httptest.NewUnstartedServer(http.NotFoundHandler())
	proxy.Config.ErrorLog = log.New(io.Discard, "", 0)
	proxy.StartTLS()
	t.Cleanup(proxy.Close)
	address := proxy.Listener.Addr().String()
	w := rig.Start(t, rig.Setup{Env: func(env []string) []string {
		return append(rig.Without("AWS_ENDPOINT_URL")(env), "HTTPS_PROXY=https://"+address)
	}})
	w.MustRefuse("aws-certificate-untrusted", "08001", "the certificate that HTTP proxy "+address+" presents is not trusted", "HTTP proxy "+address+" presents", "AWS_CA_BUNDLE")
}

// doctor, list and policy name the same cause.
func TestDoctorBlamesTheCertificate(t *testing.T) {
	t.Parallel()
	o := rig.OpenOffice(t)
	c := rig.OpenClinic(t, nil, nil)
	o.Attach(c.AWS)
	c.Env = o.Env
	began := time.Now()
	lines, code := c.Stages(c.Target("user=app_user"))
	if took := time.Since(began); took > 3*certainly && !lab.Race {
		t.Errorf("doctor took %v", took)
	}
	blamed := map[string]string{"credentials": "sts", "jump-host": "ssm"}
	for _, l := range lines {
		if service := blamed[l.Stage]; service != "" && (!strings.Contains(l.Text, host(service)+" presents is not trusted") ||
			!strings.Contains(l.Fix, "AWS_CA_BUNDLE") || !strings.Contains(strings.Join(l.Notes, " "), "by CN=Office Inspection CA")) {
			t.Errorf("%+v", l)
		}
	}
	if code != 15 {
		t.Errorf("doctor ended with %d, want 15: the jump host is not found", code)
	}
	_, stderr, code := c.Run("list", "--region", lab.Region)
	if code == 0 || !strings.Contains(stderr, "amazonaws.com presents is not trusted") || !strings.Contains(stderr, "AWS_CA_BUNDLE") {
		t.Errorf("list ended with %d: %s", code, stderr)
	}
	if asked := o.Asked(); len(asked) > 8 {
		t.Errorf("asked %d times: %q", len(asked), asked)
	}
}

// A target that is looked up: the start warns, and its client is told the same.
func TestLookUpBlamesTheCertificate(t *testing.T) {
	t.Parallel()
	o := rig.OpenOffice(t)
	w := rig.Start(t, o.Enter(rig.Setup{Args: []string{"orders?region=" + lab.Region + "&via=" + lab.Target}}, false))
	got := w.Refused("")
	if got.Code != "08001" || !strings.Contains(got.Message, host("rds")+" presents is not trusted") || !strings.Contains(got.Detail, host("rds")+", through") || !strings.Contains(got.Hint, "AWS_CA_BUNDLE") {
		t.Errorf("%s %q, DETAIL %q, HINT %q", got.Code, got.Message, got.Detail, got.Hint)
	}
	warning, _, _ := strings.Cut(w.Proxy.Output(), "Listening on")
	for _, part := range []string{host("rds") + " presents is not trusted", "by CN=Office Inspection CA", "AWS_CA_BUNDLE"} {
		if !strings.Contains(warning, part) {
			t.Errorf("the start does not say %q:\n%s", part, warning)
		}
	}
}
