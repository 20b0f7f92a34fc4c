package localca

import (
	"crypto/x509"
	"encoding/asn1"
	"net"
	"testing"
	"time"
)

func verify(a *Authority, c *x509.Certificate, name string, at time.Time) error {
	roots := x509.NewCertPool()
	roots.AddCert(a.Certificate)
	_, err := c.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, CurrentTime: at})
	return err
}

// Whoever steals the key can vouch for this machine's own listeners, and no others.
func TestAuthorityVouchesForLocalhostAlone(t *testing.T) {
	a, err := newAuthority(now, "ada@laptop")
	if err != nil {
		t.Fatal(err)
	}
	key, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name      string // asked for, with an address in brackets
		names     []string
		addresses []net.IP
		ok        bool
	}{
		{"localhost", []string{"localhost"}, nil, true},
		{"orders.localhost", []string{"orders.localhost"}, nil, true},
		{"my_db.eu.localhost", []string{"my_db.eu.localhost"}, nil, true},
		{"[127.0.0.1]", nil, []net.IP{net.IPv4(127, 0, 0, 1)}, true},
		{"[127.0.0.2]", nil, []net.IP{net.IPv4(127, 0, 0, 2)}, true},
		{"[::1]", nil, []net.IP{net.IPv6loopback}, true},
		{"example.com", []string{"example.com"}, nil, false},
		{"notlocalhost", []string{"notlocalhost"}, nil, false},
		{"localhost.example.com", []string{"localhost.example.com"}, nil, false},
		{"localhost", []string{"localhost", "example.com"}, nil, false},
		{"[10.0.0.1]", nil, []net.IP{net.IPv4(10, 0, 0, 1)}, false},
		{"[::2]", nil, []net.IP{net.ParseIP("::2")}, false},
		{"[::ffff:10.0.0.1]", nil, []net.IP{net.ParseIP("::ffff:10.0.0.1")}, false},
	} {
		c, err := a.leaf(now, key, tt.names, tt.addresses)
		if err != nil {
			t.Fatal(err)
		}
		if err := verify(a, c.Leaf, tt.name, now); (err == nil) != tt.ok {
			t.Errorf("%s, a certificate for %q %v: %v", tt.name, tt.names, tt.addresses, err)
		}
	}

	cert := a.Certificate
	if !cert.IsCA || cert.MaxPathLen != 0 || cert.KeyUsage != x509.KeyUsageCertSign || len(cert.ExtKeyUsage) != 1 || cert.ExtKeyUsage[0] != x509.ExtKeyUsageServerAuth {
		t.Errorf("CA %v, path length %d, usage %v and %v", cert.IsCA, cert.MaxPathLen, cert.KeyUsage, cert.ExtKeyUsage)
	}
	critical := false
	for _, e := range cert.Extensions {
		critical = critical || e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 30}) && e.Critical
	}
	if !critical {
		t.Error("the name constraints are not critical")
	}
	if got := cert.Subject.CommonName; got != "pgkeyless ada@laptop" {
		t.Errorf("it is called %q", got)
	}
}
