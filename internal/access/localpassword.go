package access

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"strconv"

	"github.com/xdg-go/scram"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/markedfile"
	"github.com/pgkeyless/pgkeyless/internal/passfile"
	"github.com/pgkeyless/pgkeyless/proxy"
)

// LocalPassword is a proxy.Proof by SCRAM-SHA-256 with the one password that the user's
// password file has for pgkeyless, for any database user. It is safe for concurrent use.
type LocalPassword struct {
	file *watchedFile[scram.StoredCredentials]
}

// NewLocalPassword makes the password, where the file at path has none. The file is
// read again when it changes. What is wrong with it is a causes.Misuse.
func NewLocalPassword(path string, log *slog.Logger) (*LocalPassword, error) {
	if err := passfile.Update(path, nil, nil); err != nil {
		return nil, err
	}
	f, err := newWatchedFile(path, markedfile.Most, log, parseLocalPassword)
	if err != nil {
		return nil, err
	}
	return &LocalPassword{f}, nil
}

func parseLocalPassword(text []byte) (scram.StoredCredentials, error) {
	words, ok, err := passfile.Parse(text)
	if err != nil || !ok {
		return scram.StoredCredentials{}, causes.MisuseOf(errors.Join(err, errors.New("the password file has no local password")), "start pgkeyless again, which makes one")
	}
	salt := make([]byte, 16)
	rand.Read(salt)
	made, err := Verifier(words.Reveal(), salt)
	if err != nil {
		return scram.StoredCredentials{}, err
	}
	return parseVerifier(made)
}

// Prove implements proxy.Proof. The password says of nobody who they are, but that the
// one who runs pgkeyless has let them in: the identity is empty.
func (p *LocalPassword) Prove(_ context.Context, c *proxy.Claim) (identity string, err error) {
	err = converse(c, c.Shown, scramServer(p.file.now()))
	if errors.As(err, new(*scramError)) {
		return "", causes.LocalPasswordWrong.New(causes.Facts{"quoted user": strconv.Quote(c.User), "file": p.file.path}, nil)
	}
	return "", err
}

// scramServer knows one password.
func scramServer(known scram.StoredCredentials) *scram.Server {
	server, err := scram.SHA256.NewServer(func(string) (scram.StoredCredentials, error) { return known, nil })
	if err != nil { // which only a nil look-up causes
		panic(err)
	}
	return server
}
