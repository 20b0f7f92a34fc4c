package main

import (
	"bytes"
	"crypto/x509"
	"testing"
)

// AWS's endpoints have certificates of Amazon's CAs, or of others that Mozilla trusts.
// Source: https://www.amazontrust.com/repository/.
func TestBundleHasTheRootsOfAWS(t *testing.T) {
	text, err := certificates()
	if err != nil {
		t.Fatal(err)
	}
	if !x509.NewCertPool().AppendCertsFromPEM(text) {
		t.Fatal("a Go program reads no certificate of it")
	}
	if n := bytes.Count(text, []byte("-----BEGIN CERTIFICATE-----")); n < 100 {
		t.Errorf("%d certificates, want 100 at least", n)
	}
	for _, name := range []string{"Amazon Root CA 1", "Amazon Root CA 2", "Amazon Root CA 3", "Amazon Root CA 4", "Starfield Services Root Certificate Authority - G2"} {
		if !bytes.Contains(text, []byte("# CN="+name+",")) {
			t.Errorf("no certificate of %s", name)
		}
	}
}
