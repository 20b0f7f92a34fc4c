package access

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/ownfile"
)

// ListenerCertificate is the certificate that clients are shown, from two files that
// are read again when they change. Files that do not fit, as in the middle of a change,
// leave the one before. It is safe for concurrent use.
type ListenerCertificate struct {
	certFile, keyFile string

	mu      sync.Mutex
	cert    *tls.Certificate
	changed [2]time.Time
}

// NewListenerCertificate reads a PEM file of certificates, the listener's first, and
// one of its key. What is wrong is a causes.Misuse.
func NewListenerCertificate(certFile, keyFile string) (*ListenerCertificate, error) {
	l := &ListenerCertificate{certFile: certFile, keyFile: keyFile}
	for _, path := range []string{certFile, keyFile} {
		info, err := os.Stat(path)
		switch {
		case err != nil:
			return nil, causes.MisuseOf(fmt.Errorf("tls-cert and tls-key: %w", err), "name files that pgkeyless can read")
		case !info.Mode().IsRegular():
			return nil, causes.Misuse(path+" is no regular file", "name a PEM file")
		case !ownfile.IsOwnOrRoots(info, 0o022):
			return nil, causes.Misuse("other users can write to "+path, "make yourself or root its owner, and remove write access for others: chmod go-w")
		}
	}
	l.changed = l.times()
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, causes.MisuseOf(fmt.Errorf("tls-cert %s and tls-key %s: %w", certFile, keyFile, err), "name a PEM file with the certificate and its chain, and one with its key")
	}
	l.cert = &cert
	return l, nil
}

// Certificate is for tls.Config.GetCertificate.
func (l *ListenerCertificate) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := l.times(); now != l.changed {
		if cert, err := tls.LoadX509KeyPair(l.certFile, l.keyFile); err == nil {
			l.cert, l.changed = &cert, now
		}
	}
	return l.cert, nil
}

// times are when the files were changed; zero for one that is not there.
func (l *ListenerCertificate) times() (changed [2]time.Time) {
	for i, path := range []string{l.certFile, l.keyFile} {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			changed[i] = info.ModTime()
		}
	}
	return changed
}
