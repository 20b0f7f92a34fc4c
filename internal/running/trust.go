package running

import (
	"bytes"
	"encoding/pem"
	"io"
	"os"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/environ"
)

// maxBundle is some four times what all of AWS's roots take.
const maxBundle = 1 << 20

// trust makes a client of p trust its listener. On a Unix socket there is nothing to
// trust.
//
// libpq, and those that follow it, take the certificates of PGSSLROOTCERT in place of
// all others, also with sslmode=require. A file that somebody has set for RDS would
// make them refuse the listener, so theirs is kept only if it has p's CA in it. Node.js
// takes those of NODE_EXTRA_CA_CERTS beside its own, and from one file alone: one that
// is set may be what leads to the Internet, and stays.
func (p Place) trust(env []string) []Variable {
	if p.CA == "" || strings.HasPrefix(p.Host, "/") {
		return nil
	}
	root := p.CA
	if theirs := environ.LookUp(env, "PGSSLROOTCERT"); theirs != "" && holds(theirs, p.CA) {
		root = theirs
	}
	vars := []Variable{{"PGSSLROOTCERT", root}}
	if environ.LookUp(env, "NODE_EXTRA_CA_CERTS") == "" {
		vars = append(vars, Variable{"NODE_EXTRA_CA_CERTS", p.CA})
	}
	return vars
}

// holds reports whether the PEM file bundle has the certificate of the PEM file ca.
func holds(bundle, ca string) bool {
	wanted := certificates(ca)
	for _, c := range certificates(bundle) {
		if len(wanted) > 0 && bytes.Equal(c, wanted[0]) {
			return true
		}
	}
	return false
}

// certificates are those of a PEM file; one that cannot be read has none.
func certificates(path string) (all [][]byte) {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	rest, err := io.ReadAll(io.LimitReader(f, maxBundle))
	if err != nil {
		return nil
	}
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return all
		}
		if block.Type == "CERTIFICATE" {
			all = append(all, block.Bytes)
		}
	}
}
