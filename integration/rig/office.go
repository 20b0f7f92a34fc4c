package rig

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// Office is a corporate network: the only way out is an HTTP proxy, which knows
// the names of the outside and opens TLS with certificates of its own CA.
//
//	pgkeyless ── CONNECT ssm.eu-central-1.amazonaws.com:443 ──► Office ── plain HTTP ──► emulated AWS
//
// AWS's real host names lead to the emulator. The proxy answers for others that
// there is no such host.
type Office struct {
	URL    string // for HTTPS_PROXY
	CAFile string // for AWS_CA_BUNDLE

	t      *testing.T
	ca     *pgserver.CA
	listen net.Listener
	conns  sync.WaitGroup
	ctx    context.Context // ends at the test's end

	mu    sync.Mutex
	aws   *awsemu.Emulator
	rules []func(host string) Gate
	certs map[string]*tls.Certificate
	asked []string
}

// Gate is what the proxy makes of a CONNECT. The zero value lets it pass.
type Gate struct {
	Status int    // answered in place of 200, when not 0
	HangUp bool   // the connection is closed without an answer
	Cert   Cert   // what is wrong with the certificate
	For    string // host that the certificate is for in place of the one asked for
}

// Cert is what kind of certificate the proxy presents.
type Cert int

const (
	OfficeCert  Cert = iota // of the office's CA
	ExpiredCert             // of that, but its time is over
	OtherCert               // of a CA that nobody has heard of
)

// awsHost are the host names that lead to the emulator, those of VPC endpoints among
// them.
var awsHost = regexp.MustCompile(`^(sts|ssm|ssmmessages|iam|rds|ecs|autoscaling|monitoring|oidc|portal\.sso|signin)\.[a-z]{2}-[a-z]+-\d\.amazonaws\.com$|^iam\.amazonaws\.com$|^vpce-[0-9a-z-]+\.(ssm|ssmmessages)\.[a-z]{2}-[a-z]+-\d\.vpce\.amazonaws\.com$`)

// OpenOffice starts the proxy, and ends it at the test's end. Its AWS is set by
// Attach or Enter.
func OpenOffice(t *testing.T) *Office {
	t.Helper()
	ca, err := pgserver.NewCA("Office Inspection CA")
	if err != nil {
		t.Fatal(err)
	}
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	o := &Office{
		URL: "http://" + listen.Addr().String(), CAFile: filepath.Join(t.TempDir(), "office-ca.pem"),
		t: t, ca: ca, listen: listen, ctx: ctx, certs: map[string]*tls.Certificate{},
	}
	if err := os.WriteFile(o.CAFile, ca.PEM(), 0o644); err != nil {
		t.Fatal(err)
	}
	o.conns.Go(o.accept)
	t.Cleanup(func() {
		listen.Close()
		cancel()
		o.conns.Wait()
	})
	return o
}

// Attach makes e the AWS behind the proxy. Its sessions' stream URLs lead to AWS's
// own host, as in life.
func (o *Office) Attach(e *awsemu.Emulator) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.aws = e
	e.SetStreamOrigin("wss://ssmmessages." + lab.Region + ".amazonaws.com")
}

// Env is the environment of a program in the office: no endpoint is set, and
// HTTPS_PROXY leads out. Without AWS_CA_BUNDLE nobody trusts what it presents.
func (o *Office) Env(env []string) []string {
	return append(Without("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_SSO")(env), "HTTPS_PROXY="+o.URL)
}

// TrustingEnv is Env with AWS_CA_BUNDLE.
func (o *Office) TrustingEnv(env []string) []string {
	return append(o.Env(env), "AWS_CA_BUNDLE="+o.CAFile)
}

// Enter puts the pgkeyless that Start runs into the office, with AWS_CA_BUNDLE if
// it is to trust it.
func (o *Office) Enter(s Setup, trusting bool) Setup {
	faults, change := s.Faults, s.Env
	s.Faults = func(e *awsemu.Emulator) {
		o.Attach(e)
		if faults != nil {
			faults(e)
		}
	}
	s.Env = func(env []string) []string {
		if change != nil {
			env = change(env)
		}
		if trusting {
			return o.TrustingEnv(env)
		}
		return o.Env(env)
	}
	return s
}

// Answer adds a rule for hosts that contain part, before earlier ones. "" is part
// of all.
func (o *Office) Answer(part string, gate Gate) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.rules = append(o.rules, func(host string) Gate {
		if strings.Contains(host, part) {
			return gate
		}
		return Gate{}
	})
}

// Forget drops all rules.
func (o *Office) Forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.rules = nil
}

// Asked are the hosts that CONNECT was sent for, with ports, each time.
func (o *Office) Asked() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.asked)
}

func (o *Office) accept() {
	for {
		c, err := o.listen.Accept()
		if err != nil {
			return
		}
		o.conns.Go(func() {
			defer context.AfterFunc(o.ctx, func() { c.Close() })()
			defer c.Close()
			o.serve(c)
		})
	}
}

// serve answers one CONNECT, and carries what follows.
func (o *Office) serve(c net.Conn) {
	reader := bufio.NewReader(c)
	request, err := http.ReadRequest(reader)
	if err != nil {
		return
	}
	if request.Method != http.MethodConnect || reader.Buffered() > 0 {
		fmt.Fprint(c, "HTTP/1.1 405 Method Not Allowed\r\nConnection: close\r\n\r\n")
		return
	}
	host, _, _ := net.SplitHostPort(request.Host)
	gate, aws := o.gate(request.Host, host)
	switch {
	case gate.HangUp:
		return
	case gate.Status != 0:
		refuse(c, gate.Status)
		return
	case gate == Gate{} && !awsHost.MatchString(host) || aws == nil: // the proxy finds no address for it
		refuse(c, http.StatusServiceUnavailable)
		return
	}
	cert, err := o.cert(cmp.Or(gate.For, host), gate.Cert)
	if err != nil {
		o.t.Error(err)
		return
	}
	fmt.Fprint(c, "HTTP/1.1 200 Connection established\r\n\r\n")
	inside := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{*cert}})
	if inside.HandshakeContext(o.ctx) != nil { // it does not trust the office
		return
	}
	outside, err := net.Dial("tcp", strings.TrimPrefix(aws.URL(), "http://"))
	if err != nil {
		return
	}
	defer context.AfterFunc(o.ctx, func() { outside.Close() })()
	defer outside.Close()
	var up sync.WaitGroup
	up.Go(func() {
		io.Copy(outside, inside)
		outside.Close()
	})
	io.Copy(inside, outside)
	inside.Close()
	up.Wait()
}

func refuse(c net.Conn, status int) {
	extra := ""
	if status == http.StatusProxyAuthRequired {
		extra = "Proxy-Authenticate: Basic realm=\"office\"\r\n"
	}
	fmt.Fprintf(c, "HTTP/1.1 %d %s\r\n%sContent-Length: 0\r\n\r\n", status, http.StatusText(status), extra)
}

// gate notes the question, and finds the newest rule that has something to say.
func (o *Office) gate(address, host string) (Gate, *awsemu.Emulator) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked = append(o.asked, address)
	for _, rule := range slices.Backward(o.rules) {
		if gate := rule(host); gate != (Gate{}) {
			return gate, o.aws
		}
	}
	return Gate{}, o.aws
}

// cert makes a certificate for host, once.
func (o *Office) cert(host string, kind Cert) (*tls.Certificate, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	name := fmt.Sprint(host, kind)
	if made := o.certs[name]; made != nil {
		return made, nil
	}
	issue := func() (chain, key []byte, err error) { return o.ca.Issue(host) }
	switch kind {
	case ExpiredCert:
		issue = func() (chain, key []byte, err error) { return o.ca.IssueExpired(host) }
	case OtherCert:
		other, err := pgserver.NewCA("Another Inspection CA")
		if err != nil {
			return nil, err
		}
		issue = func() (chain, key []byte, err error) { return other.Issue(host) }
	}
	chain, key, err := issue()
	if err != nil {
		return nil, err
	}
	cert, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, err
	}
	o.certs[name] = &cert
	return &cert, nil
}
