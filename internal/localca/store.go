package localca

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/ownfile"
)

const (
	keyFile  = "ca-key.pem"
	certFile = "ca.pem"

	// maxFile is far more than a key and a certificate take.
	maxFile = 64 << 10
)

// Dir is the directory of this user's CA. It need not be there.
//
// Source: XDG Base Directory Specification, XDG_STATE_HOME.
func Dir() (string, error) {
	base := os.Getenv("XDG_STATE_HOME")
	if filepath.IsAbs(base) {
		return filepath.Join(base, "pgkeyless"), nil
	}
	if runtime.GOOS == "windows" {
		base, err := os.UserCacheDir() // %LocalAppData%, which does not roam
		return filepath.Join(base, "pgkeyless"), err
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(home); err != nil { // a service's, which is not ours to make
		return "", fmt.Errorf("home directory: %w", err)
	}
	if runtime.GOOS == "darwin" {
		return filepath.Join(home, "Library", "Application Support", "pgkeyless"), nil
	}
	return filepath.Join(home, ".local", "state", "pgkeyless"), nil
}

// File is the CA's certificate in dir, for clients.
func File(dir string) string { return filepath.Join(dir, certFile) }

// errUnusable is a CA that has to be replaced: expired, or garbled.
var errUnusable = errors.New("not a usable CA")

// Open returns the CA in dir. Where there is none that is usable at now it makes
// one, and dir too; several processes that do so at once get the same. A CA that is
// there already is opened without writing. It refuses files that others can have
// read or written.
func Open(dir string, now time.Time) (*Authority, error) {
	a, err := load(dir, now)
	if err == nil && published(dir, a) {
		return a, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errUnusable) {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := ownfile.CheckDir(dir); err != nil {
		return nil, err
	}
	unlock, err := ownfile.Lock(filepath.Join(dir, ".ca.lock"))
	if err != nil {
		return nil, err
	}
	defer unlock()
	if a, err = load(dir, now); err != nil { // nobody else has made one meanwhile
		if a, err = create(dir, now); err != nil {
			return nil, err
		}
	}
	if !published(dir, a) {
		return a, ownfile.Replace(File(dir), a.certificatePEM(), 0o644)
	}
	return a, nil
}

// create makes a CA and writes its key.
func create(dir string, now time.Time) (*Authority, error) {
	a, err := newAuthority(now, whose())
	if err != nil {
		return nil, err
	}
	key, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		return nil, err
	}
	content := append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), a.certificatePEM()...)
	return a, ownfile.Replace(filepath.Join(dir, keyFile), content, 0o600)
}

// load reads the CA in dir.
func load(dir string, now time.Time) (*Authority, error) {
	path := filepath.Join(dir, keyFile)
	f, err := ownfile.Open(path, 0o077)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return nil, err
	}
	a, err := parse(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %v", path, errUnusable, err)
	}
	if !a.usable(now) {
		return nil, fmt.Errorf("%s: %w: valid from %v to %v", path, errUnusable, a.Certificate.NotBefore, a.Certificate.NotAfter)
	}
	return a, nil
}

// parse reads what create has written.
func parse(content []byte) (*Authority, error) {
	keyBlock, rest := pem.Decode(content)
	certBlock, _ := pem.Decode(rest)
	if keyBlock == nil || certBlock == nil {
		return nil, errors.New("it does not contain a key and a certificate")
	}
	key, err := x509.ParsePKCS8PrivateKey(keyBlock.Bytes)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(certBlock.Bytes)
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a key of type %T", key)
	}
	if public, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !public.Equal(cert.PublicKey) {
		return nil, errors.New("the key does not belong to the certificate")
	}
	return &Authority{cert, signer}, nil
}

// published reports whether clients find a's certificate.
func published(dir string, a *Authority) bool {
	content, err := os.ReadFile(File(dir))
	return err == nil && bytes.Equal(content, a.certificatePEM())
}

func (a *Authority) certificatePEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Certificate.Raw})
}

// whose is USER@HOST, as far as the system knows them.
func whose() string {
	name := "somebody"
	if u, err := user.Current(); err == nil && u.Username != "" {
		name = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		name += "@" + host
	}
	return name
}
