package access

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/display"
)

const (
	// maxKeys bounds the keys of an issuer: one is in use, and the ones before and after.
	maxKeys = 64
	// keysLast is how long fetched keys count before they are fetched again, so that one
	// that its issuer has withdrawn ends.
	keysLast = 10 * time.Minute
	// keysServe is how long they count where that fails. It is tried again after
	// keysRetry, and each try holds up one login for refreshLimit at most.
	keysServe    = 24 * time.Hour
	keysRetry    = time.Minute
	refreshLimit = 3 * time.Second
	// fetchLimit is for logins that cannot go on without: two requests.
	fetchLimit = 2 * askLimit
	// Tokens that name an unknown key make pgkeyless fetch the keys at most so often, so
	// that inventing key ids costs the issuer nothing.
	keysBurst, keysEvery = 5, 10 * time.Second
)

// signing are the algorithms of keys that may be known to everybody.
var signing = []string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA}

// keySet are the keys of an issuer of tokens.
type keySet struct {
	named map[string][]crypto.PublicKey // by their ids
	all   []crypto.PublicKey
}

// of returns the keys that may have signed a token which names key id.
func (k keySet) of(id string) []crypto.PublicKey {
	if id == "" {
		return k.all
	}
	return k.named[id]
}

// parseKeys reads a JWKS. Keys for other uses than signatures are left out, and so are
// those of kinds that this program does not know.
//
// Source: RFC 7517, section 5.
func parseKeys(text []byte) (keySet, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return keySet{}, errors.New("no set of keys (JWKS)")
	}
	if len(set.Keys) > maxKeys {
		return keySet{}, fmt.Errorf("a set of %d keys", len(set.Keys))
	}
	keys := keySet{named: map[string][]crypto.PublicKey{}}
	for _, raw := range set.Keys {
		var key jose.JSONWebKey
		if json.Unmarshal(raw, &key) != nil || key.Use != "" && key.Use != "sig" {
			continue
		}
		switch key.Key.(type) {
		case *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey:
			keys.all = append(keys.all, key.Key)
			keys.named[key.KeyID] = append(keys.named[key.KeyID], key.Key)
		}
	}
	if len(keys.all) == 0 {
		return keySet{}, errors.New("a set without a public key for signatures")
	}
	return keys, nil
}

// verifier checks tokens by the keys of their issuer, and asks nobody about one. It is
// safe for concurrent use.
type verifier struct {
	issuer, audience string
	keys             interface {
		// of returns the keys that may have signed a token which names key id.
		of(ctx context.Context, id string) ([]crypto.PublicKey, error)
	}
}

// check returns the user name of a token. The error is a *notAccepted, or one of the
// table: the keys cannot be fetched.
func (v *verifier) check(ctx context.Context, token string) (username string, err error) {
	c, ok := parseClaims(token)
	if !ok {
		return "", &notAccepted{noToken}
	}
	keys, err := v.keys.of(ctx, c.key)
	if err != nil {
		return "", err
	}
	by := oidc.NewVerifier(v.issuer, &oidc.StaticKeySet{PublicKeys: keys}, &oidc.Config{ClientID: v.audience, SupportedSigningAlgs: signing})
	proved, err := by.Verify(ctx, token)
	if err != nil { // whose words may hold parts of the token
		return "", &notAccepted{"it is not a valid token of issuer " + display.Line(v.issuer)}
	}
	return proved.Subject, nil
}

// fileKeys are the keys in a file.
type fileKeys struct{ file *watchedFile[keySet] }

func newFileKeys(path string, log *slog.Logger) (*fileKeys, error) {
	file, err := newWatchedFile(path, maxAnswer, log, func(text []byte) (keySet, error) {
		keys, err := parseKeys(text)
		if err != nil {
			return keys, causes.Misuse(fmt.Sprintf("%s holds %v", path, err), "write it with `kubectl get --raw /openid/v1/jwks`")
		}
		return keys, nil
	})
	return &fileKeys{file}, err
}

func (f *fileKeys) of(_ context.Context, id string) ([]crypto.PublicKey, error) {
	return f.file.now().of(id), nil
}

// issuerKeys are fetched from their issuer when the first client comes, when they have
// become old, and when a token names one that is not among them.
type issuerKeys struct {
	issuer string
	fetch  *fetcher
	log    *slog.Logger

	turn chan struct{} // of one: who fetches holds it

	mu       sync.Mutex
	keys     keySet
	fetched  time.Time // zero: never
	failure  error     // of the last fetch, if it failed
	failedAt time.Time
	budget   int       // further fetches for unknown keys
	filled   time.Time // when the budget was last added to
}

func newIssuerKeys(issuer, caFile string, log *slog.Logger) (*issuerKeys, error) {
	fetch, err := newFetcher(caFile, log)
	return &issuerKeys{issuer: issuer, fetch: fetch, log: log, turn: make(chan struct{}, 1), budget: keysBurst}, err
}

func (i *issuerKeys) of(ctx context.Context, id string) ([]crypto.PublicKey, error) {
	came := time.Now()
	keys, old := i.look(id, came)
	switch {
	case len(keys) > 0 && !old:
		return keys, nil
	case len(keys) > 0:
		select {
		case i.turn <- struct{}{}:
		default: // somebody fetches them already
			return keys, nil
		}
	default:
		select {
		case i.turn <- struct{}{}:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	defer func() { <-i.turn }()
	if keys, old = i.look(id, time.Now()); len(keys) > 0 && !old {
		return keys, nil
	}
	if len(keys) > 0 {
		return i.refresh(ctx, id, keys)
	}
	if tried, err := i.tried(came, time.Now()); tried {
		return nil, err
	}
	return i.fetchFor(ctx, fetchLimit, id)
}

// look returns the keys for id that count, and whether it is time to fetch new ones.
func (i *issuerKeys) look(id string, now time.Time) (keys []crypto.PublicKey, old bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.usable(now) {
		return nil, true
	}
	return i.keys.of(id), now.Sub(i.fetched) > keysLast && now.Sub(i.failedAt) > keysRetry
}

// usable reports whether there are keys that count; mu is held.
func (i *issuerKeys) usable(now time.Time) bool {
	return !i.fetched.IsZero() && now.Sub(i.fetched) <= keysServe
}

// tried reports whether one who came at that time, and looks for a key that is not there,
// has to do with what others found out: their fetch has failed since, or the budget is
// spent.
func (i *issuerKeys) tried(came, now time.Time) (bool, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.failure != nil && i.failedAt.After(came) {
		return true, i.failure
	}
	if !i.usable(now) {
		return false, nil
	}
	if more := int(now.Sub(i.filled) / keysEvery); more > 0 {
		i.budget, i.filled = min(i.budget+more, keysBurst), now
	}
	if i.budget == 0 {
		return true, nil
	}
	i.budget--
	return false, nil
}

// refresh fetches the keys anew, or makes do with the old ones. The turn is held. A client
// that leaves, or whose time is up, does not end it: it may be one that keeps a withdrawn
// key alive.
func (i *issuerKeys) refresh(ctx context.Context, id string, old []crypto.PublicKey) ([]crypto.PublicKey, error) {
	keys, err := i.fetchFor(context.WithoutCancel(ctx), refreshLimit, id)
	if err != nil {
		i.log.Warn("the issuer's keys cannot be fetched again, those from before still count", "issuer", display.Line(i.issuer), "error", display.Line(err.Error()))
		return old, nil
	}
	return keys, nil
}

// fetchFor fetches all keys, for one that waits for id. The turn is held. The end
// of ctx is the client's own, and no failure of the issuer's; that of limit is one.
func (i *issuerKeys) fetchFor(ctx context.Context, limit time.Duration, id string) ([]crypto.PublicKey, error) {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	keys, err := i.get(limited)
	i.mu.Lock()
	defer i.mu.Unlock()
	if err == nil {
		i.keys, i.fetched, i.failure, i.failedAt = keys, time.Now(), nil, time.Time{}
		return keys.of(id), nil
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	i.failure, i.failedAt = causes.TokenKeysUnreachable.New(causes.Facts{"issuer": i.issuer}, err), time.Now()
	return nil, i.failure
}

// get finds out where the issuer has its keys, and fetches them.
//
// Source: OpenID Connect Discovery 1.0, section 4.
func (i *issuerKeys) get(ctx context.Context) (keySet, error) {
	text, err := i.ask(ctx, strings.TrimRight(i.issuer, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return keySet{}, err
	}
	var issuer, at string
	said, ok := fields(text)
	if !ok || !said.read("issuer", &issuer) || !said.read("jwks_uri", &at) || issuer != i.issuer {
		return keySet{}, errors.New("its openid-configuration is none, or another issuer's")
	}
	if u, err := url.Parse(at); err != nil || u.Scheme != "https" || u.Host == "" {
		return keySet{}, errors.New("its openid-configuration names no https URL of keys")
	}
	if text, err = i.ask(ctx, at); err != nil {
		return keySet{}, err
	}
	keys, err := parseKeys(text)
	if err != nil {
		return keySet{}, fmt.Errorf("it answers with %w", err)
	}
	return keys, nil
}

func (i *issuerKeys) ask(ctx context.Context, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	status, text, err := i.fetch.do(request)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("it answers with HTTP status %d", status)
	}
	return text, err
}
