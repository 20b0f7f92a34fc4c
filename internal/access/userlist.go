package access

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/xdg-go/scram"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

const (
	// maxUserlist bounds an auth-file: a user takes some 150 bytes.
	maxUserlist = 4 << 20
	// maxIterations bounds what a verifier makes a client compute.
	maxIterations = 1_000_000
)

// userlist is what an auth-file says: verifiers by the name of a user.
type userlist struct {
	users map[string]scram.StoredCredentials
	// mock makes credentials for users that do not exist, with as many iterations as most
	// of those that do have. It is made of the verifiers, and as secret.
	mock       []byte
	iterations int
}

// newUserlist settles what users that do not exist get.
func newUserlist(users map[string]scram.StoredCredentials) userlist {
	l := userlist{users: users, iterations: verifierIterations}
	h, counts := sha256.New(), map[int]int{}
	for _, name := range slices.Sorted(maps.Keys(users)) {
		known := users[name]
		fmt.Fprintf(h, "%q %x %x\n", name, known.StoredKey, known.ServerKey)
		if counts[known.Iters]++; counts[known.Iters] > counts[l.iterations] {
			l.iterations = known.Iters
		}
	}
	l.mock = h.Sum(nil)
	return l
}

// parseUserlist reads PgBouncer's userlist.txt: a name and a secret to a line, each in
// double quotes, of which one inside is doubled. Only SCRAM verifiers serve as
// secrets: from others pgkeyless could not tell that it never sees a password.
//
// Source: PgBouncer docs, config.html, section "Authentication file format".
func parseUserlist(text, path string) (userlist, error) {
	list, none := map[string]scram.StoredCredentials{}, userlist{}
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == ';' || line[0] == '#' {
			continue
		}
		at := fmt.Sprintf("%s:%d", path, n)
		name, rest, ok := quoted(line)
		secret, after, ok2 := quoted(strings.TrimSpace(rest))
		if !ok || !ok2 || strings.TrimSpace(after) != "" || name == "" {
			return none, causes.Misuse(at+": not a user in quotes and a verifier in quotes", `write "NAME" "SCRAM-SHA-256$…"; `+makeVerifier("NAME"))
		}
		if _, twice := list[name]; twice {
			return none, causes.Misuse(fmt.Sprintf("%s: user %q is there twice", at, name), "leave out one of them")
		}
		verifier, err := parseVerifier(secret)
		if err != nil {
			return none, causes.MisuseOf(fmt.Errorf("%s: user %q: %w", at, name, err), makeVerifier(name))
		}
		list[name] = verifier
	}
	return newUserlist(list), nil
}

func makeVerifier(name string) string {
	return "make a verifier with `pgkeyless password " + name + "`"
}

// quoted takes a string in double quotes from the start of s.
func quoted(s string) (value, rest string, ok bool) {
	if s == "" || s[0] != '"' {
		return "", "", false
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] != '"':
			b.WriteByte(s[i])
		case i+1 < len(s) && s[i+1] == '"':
			b.WriteByte('"')
			i++
		default:
			return b.String(), s[i+1:], true
		}
	}
	return "", "", false
}

const verifierPrefix = "SCRAM-SHA-256$"

// parseVerifier reads a secret of pg_authid: SCRAM-SHA-256$ITERATIONS:SALT$STORED:SERVER.
// Its errors never hold the secret.
//
// Source: postgres: src/backend/libpq/auth-scram.c, parse_scram_secret.
func parseVerifier(s string) (scram.StoredCredentials, error) {
	var none scram.StoredCredentials
	rest, ok := strings.CutPrefix(s, verifierPrefix)
	if !ok {
		return none, fmt.Errorf("the secret is not a SCRAM verifier")
	}
	cost, keys, ok1 := strings.Cut(rest, "$")
	iterations, salt, ok2 := strings.Cut(cost, ":")
	stored, server, ok3 := strings.Cut(keys, ":")
	count, err := strconv.Atoi(iterations)
	if !ok1 || !ok2 || !ok3 || err != nil || count < 1 || count > maxIterations {
		return none, fmt.Errorf("the verifier is malformed")
	}
	rawSalt, err1 := base64.StdEncoding.DecodeString(salt)
	rawStored, err2 := base64.StdEncoding.DecodeString(stored)
	rawServer, err3 := base64.StdEncoding.DecodeString(server)
	if err1 != nil || err2 != nil || err3 != nil || len(rawSalt) == 0 || len(rawStored) != 32 || len(rawServer) != 32 {
		return none, fmt.Errorf("the verifier is malformed")
	}
	return scram.StoredCredentials{
		KeyFactors: scram.KeyFactors{Salt: string(rawSalt), Iters: count},
		StoredKey:  rawStored,
		ServerKey:  rawServer,
	}, nil
}

// verifierIterations is PostgreSQL's default.
//
// Source: PostgreSQL 18 docs, runtime-config-connection.html, scram_iterations.
const verifierIterations = 4096

// Verifier makes the verifier of a password, with that salt.
func Verifier(password string, salt []byte) (string, error) {
	client, err := scram.SHA256.NewClient("", password, "")
	if err != nil { // PostgreSQL takes such passwords as they are
		if client, err = scram.SHA256.NewClientUnprepped("", password, ""); err != nil {
			return "", err
		}
	}
	made, err := client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: string(salt), Iters: verifierIterations})
	if err != nil {
		return "", err
	}
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("%s%d:%s$%s:%s", verifierPrefix, verifierIterations, b64(salt), b64(made.StoredKey), b64(made.ServerKey)), nil
}
