package access

import (
	"crypto/x509"
	"errors"
	"testing"
)

// saying is a client of an exchange that sends these, whatever it is asked.
type saying struct {
	mechanism    string
	first, final []byte
	concluded    bool
}

func (s *saying) SASL(...string) (string, []byte, error) { return s.mechanism, s.first, nil }
func (s *saying) Challenge([]byte) ([]byte, error)       { return s.final, nil }
func (s *saying) Conclude([]byte) error                  { s.concluded = true; return nil }

// Nobody gets in with messages that were made before the server's own: those hold a
// nonce that nobody can foresee.
func FuzzScramMessages(f *testing.F) {
	f.Add([]byte("n,,n=,r=rOprNGfwEbeRWgbNEkqO"), []byte("c=biws,r=rOprNGfwEbeRWgbNEkqO,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="), false)
	f.Add([]byte("p=tls-server-end-point,,n=,r=abc"), []byte("c=cD10bHMtc2VydmVyLWVuZC1wb2ludCws,r=abc,p=AAAA"), true)
	f.Add([]byte("y,,n=,r=abc"), []byte("e=other-error"), true)
	f.Add([]byte("n,a=admin,n=x,r=,m=1"), []byte(""), false)
	known, err := parseVerifier(recorded)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, first, final []byte, plus bool) {
		c := &saying{mechanism: scramPlain, first: first, final: final}
		var shown *x509.Certificate
		if plus {
			c.mechanism, shown = scramPlus, &x509.Certificate{Raw: []byte("certificate"), SignatureAlgorithm: x509.SHA256WithRSA}
		}
		if err := converse(c, shown, scramServer(known)); !errors.As(err, new(*scramError)) || c.concluded {
			t.Errorf("%q and %q end with %v, concluded %v", first, final, err, c.concluded)
		}
	})
}
