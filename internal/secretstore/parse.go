package secretstore

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/secret"
)

// Login is what a secret holds.
type Login struct {
	// Username is empty where the secret is a password and nothing else.
	Username string
	Password secret.Text
	// Host is where the secret says that the login is for; often empty.
	Host string

	ARN     string    // of the secret
	Version string    // the id of this version
	Created time.Time // this version
}

const (
	// maxSecret is Secrets Manager's own bound.
	//
	// Source: Secrets Manager user guide, reference_limits.html.
	maxSecret = 64 << 10
	// maxPassword is more than PostgreSQL takes in a message before the login.
	maxPassword = 60 << 10
	maxUsername = 63 // bytes of a name in PostgreSQL
)

// What is wrong with the text of a secret. None of them repeats any of it.
var (
	errTooLong    = errors.New("it is longer than 64 KiB")
	errBinary     = errors.New("it is binary")
	errEmpty      = errors.New("it is empty")
	errJSON       = errors.New("it starts with { but is not a JSON object")
	errNoUser     = errors.New("it has no username")
	errNoPassword = errors.New("it has no password")
	errUsername   = errors.New("its username is not a valid PostgreSQL name")
	errPassword   = errors.New("its password has a NUL, or is too long")
)

// parse reads the text of a secret: a JSON object with username and password, as RDS and
// the rotation functions of AWS write it, or else a password, whose last line end goes: files
// that people make a secret of have one.
//
// Source: Secrets Manager user guide, reference_secret_json_structure.html.
func parse(text string) (Login, error) {
	var l Login
	switch {
	case len(text) > maxSecret:
		return l, errTooLong
	case strings.HasPrefix(strings.TrimSpace(text), "{"):
		var fields map[string]json.RawMessage // whose names are compared as they are
		if json.Unmarshal([]byte(text), &fields) != nil {
			return l, errJSON
		}
		username, password := word(fields["username"]), word(fields["password"])
		l.Username, l.Host = username, word(fields["host"])
		switch {
		case username == "":
			return l, errNoUser
		case password == "":
			return l, errNoPassword
		case len(username) > maxUsername || strings.ContainsRune(username, 0):
			return l, errUsername
		}
		l.Password = secret.New(password)
	default:
		text = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
		if text == "" {
			return l, errEmpty
		}
		l.Password = secret.New(text)
	}
	if words := l.Password.Reveal(); len(words) > maxPassword || strings.IndexByte(words, 0) >= 0 {
		return Login{}, errPassword
	}
	return l, nil
}

// word is a JSON string, or "" for anything else.
func word(raw json.RawMessage) string {
	var s string
	if !bytes.HasPrefix(bytes.TrimSpace(raw), []byte{'"'}) || json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}
