package rig

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Cluster stands in for the API server of a Kubernetes cluster: it makes tokens of
// service accounts, reviews them, and shows the keys that sign them. It verifies what it
// is given, and lets nobody create a TokenReview but Reviewer. It is safe for concurrent
// use.
type Cluster struct {
	// CAFile and TokenFile are for pgkeyless: the CA of URL, and the token of its own
	// service account.
	URL, CAFile, TokenFile string

	t      *testing.T
	server *httptest.Server

	mu      sync.Mutex
	keys    []clusterKey // the last one signs
	reviews int
	fetches int
	broken  int  // HTTP status in place of any answer; 0: none
	denies  bool // pgkeyless may not create TokenReviews
}

type clusterKey struct {
	id  string
	key *rsa.PrivateKey
}

// Reviewer is pgkeyless's own service account in the cluster.
const Reviewer = "system:serviceaccount:gateway:pgkeyless"

// apiAudience is that of the API server itself.
const apiAudience = "https://kubernetes.default.svc.cluster.local"

// StartCluster starts one that ends with the test.
func StartCluster(t *testing.T) *Cluster {
	t.Helper()
	c := &Cluster{t: t}
	c.Rotate()
	ca := NewAuthority(t, "cluster")
	dir := t.TempDir()
	cert, key := ca.Issue(t, dir, "api-server", 2, func(c *x509.Certificate) {
		c.IPAddresses, c.ExtKeyUsage = []net.IP{net.IPv4(127, 0, 0, 1)}, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	})
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	routes := http.NewServeMux()
	routes.HandleFunc("POST /apis/authentication.k8s.io/v1/tokenreviews", c.review)
	routes.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		c.answer(w, 200, map[string]any{"issuer": c.URL, "jwks_uri": c.URL + "/openid/v1/jwks", "id_token_signing_alg_values_supported": []string{"RS256"}})
	})
	routes.HandleFunc("GET /openid/v1/jwks", func(w http.ResponseWriter, _ *http.Request) {
		c.mu.Lock()
		c.fetches++
		c.mu.Unlock()
		c.answer(w, 200, c.jwks())
	})
	c.server = httptest.NewUnstartedServer(routes)
	c.server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	c.server.StartTLS()
	t.Cleanup(c.server.Close)
	c.URL, c.CAFile, c.TokenFile = c.server.URL, filepath.Join(dir, "ca.pem"), filepath.Join(dir, "token")
	own := c.Token(func(claims map[string]any) { claims["sub"], claims["aud"] = Reviewer, []string{apiAudience} })
	for path, text := range map[string]string{c.CAFile: ca.PEM, c.TokenFile: own} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// Stop has nobody answer any more.
func (c *Cluster) Stop() { c.server.Close() }

// Break has every request answered with an HTTP status; 0 ends that.
func (c *Cluster) Break(status int) { c.edit(func() { c.broken = status }) }

// Deny takes from pgkeyless the right to create TokenReviews.
func (c *Cluster) Deny() { c.edit(func() { c.denies = true }) }

// Rotate signs with a new key from now on. Those before no longer count.
func (c *Cluster) Rotate() {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		c.t.Fatal(err)
	}
	c.edit(func() { c.keys = []clusterKey{{rand.Text(), key}} })
}

// Counts are how many reviews were asked for, and how often the keys.
func (c *Cluster) Counts() (reviews, fetches int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reviews, c.fetches
}

// JWKS writes the keys to a file, as kubectl get --raw /openid/v1/jwks prints them.
func (c *Cluster) JWKS(path string) {
	c.t.Helper()
	raw, err := json.Marshal(c.jwks())
	if err == nil {
		err = os.WriteFile(path, raw, 0o600)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *Cluster) edit(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
}

// Token is one of the service account shop/orders for pgkeyless, for an hour; change may
// make it another.
func (c *Cluster) Token(change func(claims map[string]any)) string {
	c.mu.Lock()
	k := c.keys[len(c.keys)-1]
	c.mu.Unlock()
	return c.sign(k.id, k.key, change)
}

// Forged is such a token whose signature somebody else has made, in the key's name.
func (c *Cluster) Forged() string {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		c.t.Fatal(err)
	}
	c.mu.Lock()
	id := c.keys[0].id
	c.mu.Unlock()
	return c.sign(id, key, nil)
}

func (c *Cluster) sign(id string, key *rsa.PrivateKey, change func(claims map[string]any)) string {
	now := time.Now()
	claims := map[string]any{"iss": c.URL, "sub": "system:serviceaccount:shop:orders", "aud": []string{"pgkeyless"},
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix()}
	if change != nil {
		change(claims)
	}
	part := func(v any) string {
		raw, err := json.Marshal(v)
		if err != nil {
			c.t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	signed := part(map[string]any{"alg": "RS256", "kid": id}) + "." + part(claims)
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		c.t.Fatal(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func (c *Cluster) jwks() map[string]any {
	c.mu.Lock()
	defer c.mu.Unlock()
	var keys []map[string]any
	for _, k := range c.keys {
		keys = append(keys, map[string]any{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": k.id,
			"n": base64.RawURLEncoding.EncodeToString(k.key.N.Bytes()), "e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(k.key.E)).Bytes())})
	}
	return map[string]any{"keys": keys}
}

// review answers a TokenReview as kube-apiserver does.
func (c *Cluster) review(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	c.reviews++
	denies := c.denies
	c.mu.Unlock()
	by, _, err := c.verify(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), []string{apiAudience})
	switch {
	case err != nil:
		c.answer(w, 401, status(401, "Unauthorized"))
		return
	case by != Reviewer || denies:
		c.answer(w, 403, status(403, fmt.Sprintf(`tokenreviews.authentication.k8s.io is forbidden: User %q cannot create resource "tokenreviews" in API group "authentication.k8s.io" at the cluster scope`, by)))
		return
	}
	var asked struct {
		APIVersion, Kind string
		Spec             struct {
			Token     string
			Audiences []string
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || asked.APIVersion != "authentication.k8s.io/v1" || asked.Kind != "TokenReview" {
		c.answer(w, 400, status(400, "the object provided is unrecognized"))
		return
	}
	if len(asked.Spec.Audiences) == 0 {
		asked.Spec.Audiences = []string{apiAudience}
	}
	said := map[string]any{}
	username, audiences, err := c.verify(asked.Spec.Token, asked.Spec.Audiences)
	if err != nil {
		said["user"], said["error"] = map[string]any{}, err.Error()
	} else {
		said["authenticated"], said["audiences"] = true, audiences
		said["user"] = map[string]any{"username": username, "uid": "0123", "groups": []string{"system:serviceaccounts", "system:authenticated"}}
	}
	c.answer(w, 201, map[string]any{"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "metadata": map[string]any{"creationTimestamp": nil},
		"spec": map[string]any{"token": asked.Spec.Token, "audiences": asked.Spec.Audiences}, "status": said})
}

// verify returns whose a token is, and for which of the audiences, in kube-apiserver's
// words where it is not.
func (c *Cluster) verify(token string, wanted []string) (username string, audiences []string, err error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", nil, fmt.Errorf("invalid bearer token")
	}
	var head struct{ Alg, Kid string }
	var claims struct {
		Iss, Sub string
		Aud      []string
		Exp, Nbf int64
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	for i, into := range []any{&head, &claims} {
		raw, decoding := base64.RawURLEncoding.DecodeString(parts[i])
		if err == nil {
			err = decoding
		}
		if err == nil {
			err = json.Unmarshal(raw, into)
		}
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	c.mu.Lock()
	signed := err == nil && head.Alg == "RS256" && claims.Iss == c.URL && slices.ContainsFunc(c.keys, func(k clusterKey) bool {
		return k.id == head.Kid && rsa.VerifyPKCS1v15(&k.key.PublicKey, crypto.SHA256, sum[:], signature) == nil
	})
	c.mu.Unlock()
	now := time.Now().Unix()
	switch {
	case !signed:
		return "", nil, fmt.Errorf("invalid bearer token")
	case now >= claims.Exp:
		return "", nil, fmt.Errorf("[invalid bearer token, service account token has expired]")
	case now < claims.Nbf:
		return "", nil, fmt.Errorf("[invalid bearer token, service account token is not valid yet]")
	}
	for _, a := range wanted {
		if slices.Contains(claims.Aud, a) {
			audiences = append(audiences, a)
		}
	}
	if len(audiences) == 0 {
		return "", nil, fmt.Errorf("[invalid bearer token, token audiences %q is invalid for the target audiences %q]", claims.Aud, wanted)
	}
	return claims.Sub, audiences, nil
}

func status(code int, message string) map[string]any {
	return map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code}
}

// answer writes v as JSON, unless the cluster is broken.
func (c *Cluster) answer(w http.ResponseWriter, code int, v any) {
	c.mu.Lock()
	broken := c.broken
	c.mu.Unlock()
	if broken != 0 {
		w.WriteHeader(broken)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(v)
}
