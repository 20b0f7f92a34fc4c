package causes

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu/gateway"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/internal/causes"
)

func TestEveryCauseAtSessionManager(t *testing.T) {
	const (
		instance = "arn:aws:ec2:" + lab.Region + ":" + lab.Account + ":instance/" + lab.Target
		denied   = "User: " + lab.ARN + " is not authorized to perform: ssm:StartSession on resource: " + instance
		document = "AWS-StartPortForwardingSessionToRemoteHost"
	)
	refuse := func(code, message string) func(*testing.T, *rig.World) {
		return func(_ *testing.T, w *rig.World) { w.AWS.FailNext("StartSession", code, message, -1) }
	}
	upgrade := func(status int) func(*testing.T, *rig.World) {
		return func(_ *testing.T, w *rig.World) { w.AWS.RefuseUpgrades(status, -1) }
	}
	inspected := func(part string, gate rig.Gate, trusting bool) rig.Setup {
		o := rig.OpenOffice(t)
		o.Answer(part, gate)
		return o.Enter(rig.Setup{}, trusting)
	}
	const host = "ssm." + lab.Region + ".amazonaws.com"
	started := fmt.Sprintf("SSM session %s-", lab.ARN[strings.LastIndex(lab.ARN, "/")+1:])
	showCauses(t, causes.Sessions(), map[string]way{
		causes.TargetNotConnected.Name: {
			arm:   func(_ *testing.T, w *rig.World) { w.AWS.SetOnline(lab.Target, false) },
			facts: []string{"starting SSM session on " + lab.Target, "jump host " + lab.Target + " in " + lab.Region, "endpoint " + lab.Endpoint, "--target " + lab.Target},
		},
		causes.InvalidDocument.Name: {
			arm:   refuse("InvalidDocument", "Document with name "+document+" does not exist."),
			facts: []string{"document " + document + " does not exist in " + lab.Region, "describe-document --name " + document},
		},
		causes.AccessDenied.Name: {
			arm: refuse("AccessDeniedException", denied+" because no identity-based policy allows the ssm:StartSession action"),
			facts: []string{"identity " + lab.ARN, "because no identity-based policy allows", "allow ssm:StartSession on " + instance,
				`{"Effect":"Allow","Action":"ssm:StartSession","Resource":["` + instance + `"]}`},
		},
		causes.SessionDenied.Name: {
			setup: rig.Setup{Options: []string{"sessions=1"}},
			meet: beneath(func(w *rig.World) {
				w.AWS.FailNext("ResumeSession", "AccessDeniedException", "User: "+lab.ARN+" is not authorized to perform: ssm:ResumeSession on resource: "+
					"arn:aws:ssm:eu-central-1:111122223333:session/"+w.Carrying()[0].ID, -1)
				w.AWS.CutWebsockets()
			}),
			facts: []string{"resuming SSM session ada-", "identity " + lab.ARN, `"Resource":["arn:aws:ssm:*:*:session/${aws:username}-*"]`},
		},
		causes.ExplicitDeny.Name: {
			arm:   refuse("AccessDeniedException", denied+" with an explicit deny in a service control policy"),
			facts: []string{"identity " + lab.ARN, "in a service control policy", "denies ssm:StartSession on " + instance},
		},
		causes.Throttled.Name: {
			arm:   refuse("ThrottlingException", "Rate exceeded"),
			facts: []string{"Rate exceeded", "ssm:StartSession"},
		},
		causes.ParametersRefused.Name: {
			arm:   refuse("ValidationException", "1 validation error detected: Value at 'parameters' failed to satisfy constraint"),
			facts: []string{"Value at 'parameters'", "the endpoint " + lab.Endpoint, "the jump host " + lab.Target, document},
		},
		causes.SessionManagerFault.Name: {
			arm:   refuse("InternalServerError", ""),
			facts: []string{"(InternalServerError)", "request id ", "dashboard for " + lab.Region},
		},
		causes.SessionManagerOther.Name: {
			arm:   refuse("ServiceQuotaExceededException", "too many sessions"),
			facts: []string{"ServiceQuotaExceededException: too many sessions", "error of ssm:StartSession"},
		},
		causes.Unreachable.Name: {
			setup: rig.Setup{Env: replaced("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SSM=http://"+rig.ClosedPort)},
			facts: []string{"cannot reach the Systems Manager API in " + lab.Region, "connection refused", "ssm:StartSession, jump host"},
		},
		causes.NoAnswer.Name: {
			arm: func(t *testing.T, w *rig.World) {
				w.AWS.SetNetwork(gateway.Network{BlackHoleUp: true})
				t.Cleanup(func() { w.AWS.SetNetwork(gateway.Network{}) })
			},
			facts: []string{"no answer from the Systems Manager API in " + lab.Region, "ssm:StartSession, jump host"},
		},
		causes.ProxyWantsLogin.Name: {
			setup: rig.Setup{Env: replaced("AWS_ENDPOINT_URL", "HTTPS_PROXY=http://"+officeProxy(t))},
			facts: []string{"requires a login to reach ssm." + lab.Region + ".amazonaws.com:443", "ssm:StartSession, jump host " + lab.Target, "http://USER:PASSWORD@127.0.0.1:"},
		},
		causes.EndpointSetting.Name: {
			setup: rig.Setup{Env: func(env []string) []string {
				return append(replaced("AWS_ENDPOINT_URL", "HTTPS_PROXY=http://"+lostProxy(t))(env), "AWS_USE_FIPS_ENDPOINT=true")
			}},
			facts: []string{"there is no AWS endpoint ssm-fips." + lab.Region + ".amazonaws.com", "AWS_USE_FIPS_ENDPOINT=true, in the environment", "503 Service Unavailable"},
		},
		causes.ProxyRefuses.Name: {
			setup: inspected("ssm.", rig.Gate{Status: http.StatusForbidden}, true),
			facts: []string{"does not connect to " + host + ":443: 403 Forbidden", "allow " + host + ":443"},
		},
		causes.AWSCertificateUntrusted.Name: {
			setup: inspected("ssm.", rig.Gate{Cert: rig.OtherCert}, true),
			facts: []string{host + " presents is not trusted: x509", "through HTTP proxy 127.0.0.1:", "by CN=Another Inspection CA", "AWS_CA_BUNDLE is /"},
		},
		causes.AWSCertificateName.Name: {
			setup: inspected("ssm.", rig.Gate{For: "portal.example.com"}, true),
			facts: []string{host + " presents is for another name: x509", "portal.example.com"},
		},
		causes.AWSCertificateExpired.Name: {
			setup: inspected("ssm.", rig.Gate{Cert: rig.ExpiredCert}, true),
			facts: []string{host + " presents is expired", "clock"},
		},
		causes.ChannelDenied.Name: {
			arm: upgrade(http.StatusForbidden),
			facts: []string{"403 Forbidden", started, "ssmmessages:OpenDataChannel on *",
				`"Action":["ssmmessages:OpenDataChannel"],"Resource":["*"]`},
		},
		causes.ChannelFault.Name: {
			arm:   upgrade(http.StatusServiceUnavailable),
			facts: []string{"503 Service Unavailable", started},
		},
		causes.ChannelRefused.Name: {
			arm:   upgrade(http.StatusBadRequest),
			facts: []string{"400 Bad Request", started},
		},
		causes.StreamURLRefused.Name: {
			arm:   func(_ *testing.T, w *rig.World) { w.AWS.SetStreamOrigin("wss://ssmmessages.example.com") },
			facts: []string{"stream URL wss://ssmmessages.example.com: not an ssmmessages endpoint of AWS", started},
		},
	})
}

// replaced has variable in place of the one called name.
func replaced(name, variable string) func([]string) []string {
	return func(env []string) []string { return append(rig.Without(name)(env), variable) }
}

// lostProxy is an HTTP proxy that finds no host.
func lostProxy(t *testing.T) (address string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// officeProxy is an HTTP proxy that wants a login, and leads nowhere.
func officeProxy(t *testing.T) (address string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Proxy-Authenticate", `Basic realm="office"`)
		w.WriteHeader(http.StatusProxyAuthRequired)
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}
