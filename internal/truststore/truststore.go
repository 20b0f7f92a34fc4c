package truststore

import (
	"context"
	"crypto/sha1"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// CA is the certificate that is put into stores.
type CA struct {
	File        string // in PEM
	Certificate *x509.Certificate
	Owner       string // the user, for the names of files that others see
}

// name is what the stores call it.
func (c CA) name() string { return c.Certificate.Subject.CommonName }

// System is the machine on which the stores are.
type System struct {
	OS   string // as runtime.GOOS
	Root string // "", or the directory in which a test has the system's files
	Home string // the user's
	// Superuser says that files of the system can be written without sudo.
	Superuser bool
	// Run runs a program to its end, with the user's terminal. Its error holds what
	// the program said.
	Run func(ctx context.Context, name string, args ...string) error
	// Has reports whether there is such a program.
	Has func(name string) bool
}

// Outcome is what was done to one store.
type Outcome struct {
	Store string
	Err   error // nil: done
}

// errNoStore is a system whose store is not known here.
var errNoStore = errors.New("pgkeyless knows no trust store of this system")

// Install puts ca into each store there is. It may be repeated.
func (s System) Install(ctx context.Context, ca CA) []Outcome {
	all := []Outcome{s.installSystem(ctx, ca)}
	return append(all, s.browsers(func(db string) error {
		_ = s.Run(ctx, "certutil", "-D", "-d", "sql:"+db, "-n", ca.name()) // an older one of the name
		return s.Run(ctx, "certutil", "-A", "-d", "sql:"+db, "-t", "C,,", "-n", ca.name(), "-i", ca.File)
	})...)
}

// Uninstall takes ca out of each store.
func (s System) Uninstall(ctx context.Context, ca CA) []Outcome {
	all := []Outcome{s.uninstallSystem(ctx, ca)}
	return append(all, s.browsers(func(db string) error {
		if s.Run(ctx, "certutil", "-L", "-d", "sql:"+db, "-n", ca.name()) != nil {
			return nil // it is not in there
		}
		return s.Run(ctx, "certutil", "-D", "-d", "sql:"+db, "-n", ca.name())
	})...)
}

func (s System) installSystem(ctx context.Context, ca CA) Outcome {
	switch s.OS {
	case "darwin":
		return Outcome{"the login keychain", s.Run(ctx, "security", "add-trusted-cert", "-r", "trustRoot", "-p", "ssl", "-k", s.keychain(), ca.File)}
	case "windows":
		return Outcome{"the user's root store", s.Run(ctx, "certutil", "-user", "-f", "-addstore", "Root", ca.File)}
	}
	a, ok := s.anchors()
	if !ok {
		return Outcome{"the system's store", errNoStore}
	}
	path := filepath.Join(s.Root, a.dir, a.file(ca))
	err := s.privileged(ctx, "install", "-m", "0644", ca.File, path)
	if err == nil {
		err = s.privileged(ctx, a.update[0], a.update[1:]...)
	}
	return Outcome{"the system's store (" + path + ")", err}
}

func (s System) uninstallSystem(ctx context.Context, ca CA) Outcome {
	switch s.OS {
	case "darwin":
		fingerprint := sha1.Sum(ca.Certificate.Raw)
		err := s.Run(ctx, "security", "remove-trusted-cert", ca.File)
		return Outcome{"the login keychain", errors.Join(err, s.Run(ctx, "security", "delete-certificate", "-Z", hex.EncodeToString(fingerprint[:]), s.keychain()))}
	case "windows":
		return Outcome{"the user's root store", s.Run(ctx, "certutil", "-user", "-delstore", "Root", fmt.Sprintf("%x", ca.Certificate.SerialNumber))}
	}
	a, ok := s.anchors()
	if !ok {
		return Outcome{"the system's store", errNoStore}
	}
	path := filepath.Join(s.Root, a.dir, a.file(ca))
	store := "the system's store (" + path + ")"
	if _, err := os.Stat(path); os.IsNotExist(err) {
		return Outcome{store, nil}
	}
	err := s.privileged(ctx, "rm", "-f", path)
	if err == nil {
		err = s.privileged(ctx, a.refresh[0], a.refresh[1:]...)
	}
	return Outcome{store, err}
}

func (s System) keychain() string {
	return filepath.Join(s.Home, "Library", "Keychains", "login.keychain-db")
}

// privileged runs a program that writes files of the system.
func (s System) privileged(ctx context.Context, name string, args ...string) error {
	if s.Superuser {
		return s.Run(ctx, name, args...)
	}
	return s.Run(ctx, "sudo", append([]string{"--", name}, args...)...)
}

// anchors is how one family of Linux systems takes certificates.
type anchors struct {
	dir             string
	extension       string
	update, refresh []string // after one has been added, removed
}

// file is named for its user: each has a CA of their own.
func (a anchors) file(ca CA) string {
	safe := func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '_'
	}
	return "pgkeyless-" + strings.Map(safe, ca.Owner) + a.extension
}

// anchors are those of this system: of the family whose directory and program it has.
//
// Source: update-ca-certificates(8) of Debian and of openSUSE, update-ca-trust(8),
// trust(1).
func (s System) anchors() (anchors, bool) {
	for _, a := range []anchors{
		{"/usr/local/share/ca-certificates", ".crt", []string{"update-ca-certificates"}, []string{"update-ca-certificates", "--fresh"}}, // Debian, Alpine
		{"/etc/pki/ca-trust/source/anchors", ".pem", []string{"update-ca-trust", "extract"}, []string{"update-ca-trust", "extract"}},    // Fedora, RHEL
		{"/etc/ca-certificates/trust-source/anchors", ".crt", []string{"trust", "extract-compat"}, []string{"trust", "extract-compat"}}, // Arch
		{"/usr/share/pki/trust/anchors", ".pem", []string{"update-ca-certificates"}, []string{"update-ca-certificates", "--fresh"}},     // openSUSE
	} {
		if info, err := os.Stat(filepath.Join(s.Root, a.dir)); err == nil && info.IsDir() && s.Has(a.update[0]) {
			return a, true
		}
	}
	return anchors{}, false
}
