package access

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/secret"
	"github.com/pgkeyless/pgkeyless/internal/serviceaccount"
	"github.com/pgkeyless/pgkeyless/proxy"
)

var quiet = slog.New(slog.DiscardHandler)

// signer makes tokens as a cluster does.
type signer struct {
	id  string
	key *ecdsa.PrivateKey
}

func newSigner(t testing.TB, id string) signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer{id, key}
}

func encode(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// token signs claims, of which change may make others.
func (s signer) token(t testing.TB, change func(claims map[string]any)) string {
	t.Helper()
	body := map[string]any{"iss": issuer, "sub": "system:serviceaccount:shop:orders", "aud": []string{"pgkeyless"}, "exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix()}
	if change != nil {
		change(body)
	}
	signed := encode(map[string]any{"alg": "ES256", "kid": s.id}) + "." + encode(body)
	sum := sha256.Sum256([]byte(signed))
	r, v, err := ecdsa.Sign(rand.Reader, s.key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	signature := append(r.FillBytes(make([]byte, 32)), v.FillBytes(make([]byte, 32))...)
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func jwks(t testing.TB, signers ...signer) []byte {
	t.Helper()
	var keys []map[string]any
	for _, s := range signers {
		point, err := s.key.PublicKey.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, map[string]any{"kty": "EC", "crv": "P-256", "use": "sig", "kid": s.id, "alg": "ES256",
			"x": base64.RawURLEncoding.EncodeToString(point[1:33]), "y": base64.RawURLEncoding.EncodeToString(point[33:])})
	}
	raw, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

const issuer = "https://issuer.example"

// answering is an http.RoundTripper.
type answering func(*http.Request) (status int, body string, err error)

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) {
	status, body, err := a(r)
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body)), Header: http.Header{}, Request: r}, nil
}

func (a answering) fetcher() *fetcher {
	f := new(fetcher)
	f.now().Transport = a
	return f
}

const accepted = `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","metadata":{},"spec":{"token":"x"},
"status":{"authenticated":true,"user":{"username":"system:serviceaccount:shop:orders","uid":"1","groups":["system:serviceaccounts"]},"audiences":["other","pgkeyless"]}}`

func TestReviewsAreReadStrictly(t *testing.T) {
	if got, err := parseReview([]byte(accepted), "pgkeyless"); err != nil || got != "system:serviceaccount:shop:orders" {
		t.Errorf("an accepted token: %q, %v", got, err)
	}
	for name, test := range map[string]struct {
		from, to string
		want     string // of a *notAccepted; "" for an answer that is garbled
	}{
		"not authenticated":    {`"authenticated":true`, `"authenticated":false,"error":"token\nexpired"`, byServer + ": token; expired"},
		"says nothing":         {`"authenticated":true,`, ``, byServer},
		"another case":         {`"authenticated":true`, `"Authenticated":true`, byServer},
		"knows no audiences":   {`,"audiences":["other","pgkeyless"]`, ``, "does not confirm its audience"},
		"for others":           {`,"pgkeyless"]`, `]`, "does not confirm its audience"},
		"audience, not a list": {`["other","pgkeyless"]`, `"pgkeyless"`, ""},
		"authenticated in words": {
			`"authenticated":true`, `"authenticated":"true"`, ""},
		"null":            {`"authenticated":true`, `"authenticated":null`, ""},
		"no user":         {`"username":"system:serviceaccount:shop:orders",`, ``, ""},
		"another kind":    {`"kind":"TokenReview"`, `"kind":"Status"`, ""},
		"another version": {`authentication.k8s.io/v1`, `authentication.k8s.io/v1beta1`, ""},
		"two documents":   {`{"kind"`, `{}{"kind"`, ""},
		"no status":       {`"status"`, `"Status"`, ""},
	} {
		answer := strings.Replace(accepted, test.from, test.to, 1)
		if answer == accepted {
			t.Fatalf("%s: nothing to replace", name)
		}
		got, err := parseReview([]byte(answer), "pgkeyless")
		refused, ok := errors.AsType[*notAccepted](err)
		if got != "" || ok != (test.want != "") || ok && !strings.Contains(refused.reason, test.want) || !ok && !errors.Is(err, errGarbledReview) {
			t.Errorf("%s: %q, %v; want %q", name, got, err, test.want)
		}
	}
}

// Whatever an answer is, nobody is let in whom it does not say to be authenticated for
// our audience.
func FuzzTokenReview(f *testing.F) {
	f.Add([]byte(accepted))
	f.Add([]byte(`{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","status":{"error":"x"}}`))
	f.Add([]byte(`{"kind":"Status"}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		username, err := parseReview(answer, "pgkeyless")
		if err != nil {
			if username != "" || !errors.Is(err, errGarbledReview) && !errors.As(err, new(*notAccepted)) {
				t.Errorf("%q, %v", username, err)
			}
			return
		}
		var all map[string]any
		if err := json.Unmarshal(answer, &all); err != nil {
			t.Fatalf("%q is taken, and no JSON: %v", answer, err)
		}
		status := all["status"].(map[string]any)
		if status["authenticated"] != true || status["user"].(map[string]any)["username"] != username {
			t.Errorf("%q lets in %q", answer, username)
		}
		for _, audience := range status["audiences"].([]any) {
			if audience == "pgkeyless" {
				return
			}
		}
		t.Errorf("%q lets in a token of another audience", answer)
	})
}

func TestAccounts(t *testing.T) {
	orders := serviceaccount.Account{Namespace: "shop", Name: "orders"}
	for entry, want := range map[string]bool{"shop/orders": true, "shop/*": true, "*": true, "shop/other": false, "other/*": false, "*/orders": false, "": false} {
		if got := (&Kubernetes{accounts: []string{"x/y", entry}}).lets(orders); got != want {
			t.Errorf("%q lets in shop/orders: %v", entry, got)
		}
	}
}

func TestUnfitTokensAreToldWhy(t *testing.T) {
	s := newSigner(t, "a")
	now := time.Now()
	for want, change := range map[string]func(map[string]any){
		"":      nil,
		noToken: func(c map[string]any) { c["sub"] = "kubernetes-admin" },
		`its audience is "https://api", not "pgkeyless"`: func(c map[string]any) { c["aud"] = "https://api" },
		"names no audience":        func(c map[string]any) { delete(c, "aud") },
		`"a", "b", "c" and 1 more`: func(c map[string]any) { c["aud"] = []string{"a", "b", "c", "d"} },
		"it expired at 2":          func(c map[string]any) { c["exp"] = now.Add(-time.Second).Unix() },
	} {
		said, ok := parseClaims(s.token(t, change))
		if got := said.unfit("pgkeyless", now); !ok || !strings.Contains(got, want) || got != "" && want == "" {
			t.Errorf("read %v: %q, want %q", ok, got, want)
		}
	}
	for _, text := range []string{"", "s3cret", "a.b", "a.b.c", "e30.e30.", "e30.e30.x.y", encode("x") + ".e30.x", "e30." + encode(map[string]any{"exp": 1e300}) + ".x", "e30." + encode(map[string]any{"aud": 7}) + ".x"} {
		if said, ok := parseClaims(text); ok {
			t.Errorf("%q is a token: %+v", text, said)
		}
	}
}

func FuzzServiceToken(f *testing.F) {
	f.Add(newSigner(f, "a").token(f, nil))
	f.Add("e30.e30.x")
	f.Fuzz(func(t *testing.T, token string) {
		said, ok := parseClaims(token)
		if !ok && (said.subject != "" || said.audiences != nil) || ok && strings.Count(token, ".") != 2 {
			t.Errorf("%q: %+v, %v", token, said, ok)
		}
		if why := said.unfit("pgkeyless", time.Now()); ok && len(why) > 2000 {
			t.Errorf("%d bytes of a reason", len(why))
		}
	})
}

// reviewing is a Kubernetes whose API server answers so.
func reviewing(answer answering) *Kubernetes {
	return &Kubernetes{audience: "pgkeyless", accounts: []string{"*"}, reviews: newAnswers(), checker: &reviewer{server: "https://api", audience: "pgkeyless",
		own: &watchedFile[secret.Text]{path: "no such file", value: secret.New("own.token.signature")}, fetch: answer.fetcher()}}
}

func TestAPIServerIsAsked(t *testing.T) {
	token := newSigner(t, "a").token(t, nil)
	signature := token[strings.LastIndexByte(token, '.')+1:]
	k := reviewing(func(r *http.Request) (int, string, error) {
		var asked review
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || asked.Spec.Token != token || len(asked.Spec.Audiences) != 1 || asked.Spec.Audiences[0] != "pgkeyless" {
			t.Errorf("asked %+v, %v", asked, err)
		}
		if r.Method != "POST" || r.URL.String() != "https://api/apis/authentication.k8s.io/v1/tokenreviews" || r.Header.Get("Authorization") != "Bearer own.token.signature" {
			t.Errorf("asked by %s %s with %v", r.Method, r.URL, r.Header)
		}
		return 201, accepted, nil
	})
	if got, err := k.identity(t.Context(), token, time.Now()); err != nil || got != "system:serviceaccount:shop:orders" {
		t.Errorf("%q, %v", got, err)
	}
	for name, test := range map[string]struct {
		answer answering
		want   causes.Cause
		says   string
	}{
		"no way":        {func(*http.Request) (int, string, error) { return 0, "", errors.New("no route to host") }, causes.APIServerUnreachable, "no route to host"},
		"overloaded":    {func(*http.Request) (int, string, error) { return 503, "", nil }, causes.APIServerUnreachable, "HTTP status 503"},
		"leads away":    {func(*http.Request) (int, string, error) { return 302, "", nil }, causes.APIServerUnreachable, "HTTP status 302"},
		"a page":        {func(*http.Request) (int, string, error) { return 200, "<html>", nil }, causes.APIServerUnreachable, "no TokenReview"},
		"far too long":  {func(*http.Request) (int, string, error) { return 201, strings.Repeat(" ", maxAnswer) + accepted, nil }, causes.APIServerUnreachable, "more than"},
		"not permitted": {func(*http.Request) (int, string, error) { return 403, `{"message":"tokenreviews is forbidden"}`, nil }, causes.TokenReviewDenied, "tokenreviews is forbidden"},
		"not known":     {func(*http.Request) (int, string, error) { return 401, `{"message":"` + signature + `"}`, nil }, causes.TokenReviewDenied, "HTTP status 401"},
		"own secret":    {func(*http.Request) (int, string, error) { return 401, `{"message":"signature"}`, nil }, causes.TokenReviewDenied, "HTTP status 401"},
	} {
		_, err := reviewing(test.answer).identity(t.Context(), token, time.Now())
		if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.says) || !strings.Contains(causes.Hint(err), "system:auth-delegator") || strings.Contains(err.Error(), signature) {
			t.Errorf("%s: %v, hint %q", name, err, causes.Hint(err))
		}
	}
	_, err := reviewing(func(*http.Request) (int, string, error) {
		return 201, `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","status":{"error":"bad ` + signature + `"}}`, nil
	}).identity(t.Context(), token, time.Now())
	if refused, ok := errors.AsType[*notAccepted](err); !ok || refused.reason != byServer {
		t.Errorf("an answer that quotes the token: %v", err)
	}
	// What a token says against itself costs no review.
	k = reviewing(func(*http.Request) (int, string, error) { t.Error("asked"); return 500, "", nil })
	for name, text := range map[string]string{"a password": "s3cret", "other audience": newSigner(t, "a").token(t, func(c map[string]any) { c["aud"] = "x" }),
		"expired": newSigner(t, "a").token(t, func(c map[string]any) { c["exp"] = time.Now().Add(-2 * skew).Unix() })} {
		if _, err := k.identity(t.Context(), text, time.Now()); !errors.As(err, new(*notAccepted)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A connection that the API server, or a balancer before it, closes after minutes without a
// request may take one more that nobody reads. That costs no client its login.
func TestReviewIsRepeatedWhereItsConnectionWasClosed(t *testing.T) {
	token := newSigner(t, "a").token(t, nil)
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) == 2 {
			panic(http.ErrAbortHandler) // closes without an answer
		}
		io.WriteString(w, accepted)
	}))
	defer server.Close()
	r := &reviewer{server: server.URL, audience: "pgkeyless", own: &watchedFile[secret.Text]{path: "no such file", value: secret.New("own.token.signature")}, fetch: new(fetcher)}
	for range 2 {
		if got, err := r.check(t.Context(), token); err != nil || got != "system:serviceaccount:shop:orders" {
			t.Errorf("%q, %v, DETAIL %q", got, err, causes.Detail(err))
		}
	}
	if n := asked.Load(); n != 3 {
		t.Errorf("%d requests, want a third in place of the second", n)
	}
	r.fetch.now().CloseIdleConnections()
}

// A user of the API server that is no service account gets nowhere.
func TestOnlyServiceAccountsCount(t *testing.T) {
	k := reviewing(func(*http.Request) (int, string, error) {
		return 201, strings.Replace(accepted, "system:serviceaccount:shop:orders", "kubernetes-admin", 1), nil
	})
	if got, err := k.identity(t.Context(), newSigner(t, "a").token(t, nil), time.Now()); got != "" || !errors.As(err, new(*notAccepted)) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestNoTLSMeansNoPassword(t *testing.T) {
	for name, p := range map[string]proxy.Proof{"kubernetes": &Kubernetes{}} {
		if _, err := p.Prove(t.Context(), &proxy.Claim{User: "ada"}); !errors.Is(err, causes.NeedsTLS) { // it has no conn to ask over
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBurstOfLoginsCostsOneReview(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		reviews := 0
		k := reviewing(func(*http.Request) (int, string, error) {
			mu.Lock()
			reviews++
			mu.Unlock()
			time.Sleep(50 * time.Millisecond)
			return 201, accepted, nil
		})
		s := newSigner(t, "a")
		token := s.token(t, nil)
		var logins sync.WaitGroup
		for range 100 {
			logins.Go(func() {
				if got, err := k.identity(t.Context(), token, time.Now()); err != nil || got == "" {
					t.Errorf("%q, %v", got, err)
				}
			})
		}
		logins.Wait()
		expect := func(want int, when string) {
			t.Helper()
			if reviews != want {
				t.Errorf("%d reviews %s, want %d", reviews, when, want)
			}
		}
		expect(1, "for a burst")
		login := func(token string) {
			t.Helper()
			if _, err := k.identity(t.Context(), token, time.Now()); err != nil {
				t.Error(err)
			}
		}
		time.Sleep(acceptedFor - time.Second)
		login(token)
		expect(1, "within a minute")
		time.Sleep(2 * time.Second)
		login(token)
		expect(2, "after a minute")
		short := s.token(t, func(c map[string]any) { c["exp"] = time.Now().Add(3 * time.Second).Unix() })
		login(short)
		time.Sleep(4 * time.Second) // expired, though not beyond what clocks may differ
		login(short)
		expect(4, "after a token's end")
	})
}

func TestRefusalsAndFailuresAreNotKeptLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, fail := 0, false
		k := reviewing(func(*http.Request) (int, string, error) {
			asked++
			if fail {
				return 0, "", errors.New("down")
			}
			return 201, `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","status":{}}`, nil
		})
		token := newSigner(t, "a").token(t, nil)
		for range 10 {
			if _, err := k.identity(t.Context(), token, time.Now()); !errors.As(err, new(*notAccepted)) {
				t.Error(err)
			}
		}
		if asked != 1 {
			t.Errorf("a refused token was reviewed %d times", asked)
		}
		time.Sleep(refusedFor)
		fail = true
		for range 2 {
			if _, err := k.identity(t.Context(), token, time.Now()); !errors.Is(err, causes.APIServerUnreachable) {
				t.Error(err)
			}
		}
		if asked != 3 {
			t.Errorf("%d reviews, want 3: a failure is not remembered", asked)
		}
	})
}

// Who waits for somebody else's review does not lose it when that client leaves.
func TestReviewSurvivesWhoAskedForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAnswers()
		first, leave := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := a.of(first, "token", time.Time{}, func() (string, error) { <-first.Done(); return "", first.Err() })
			if !errors.Is(err, context.Canceled) {
				t.Errorf("who left gets %v", err)
			}
		})
		synctest.Wait()
		for range 3 {
			wg.Go(func() {
				got, err := a.of(t.Context(), "token", time.Time{}, func() (string, error) { return "ada", nil })
				if got != "ada" || err != nil {
					t.Errorf("%q, %v", got, err)
				}
			})
		}
		synctest.Wait()
		leave()
		wg.Wait()
	})
}

func TestAnswersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAnswers()
		ask := func(token string, err error) {
			a.of(t.Context(), token, time.Time{}, func() (string, error) { return "x", err })
		}
		ask("good", nil)
		for i := range 3 * maxAnswersKept {
			ask(fmt.Sprint("bad", i), &notAccepted{})
		}
		if n := len(a.known); n > maxAnswersKept {
			t.Errorf("%d answers are kept", n)
		}
		if _, mine := a.find(sha256.Sum256([]byte("good")), time.Now()); mine {
			t.Error("refused tokens push out an accepted one")
		}
		for i := range 2 * maxAnswersKept {
			ask(fmt.Sprint("good", i), nil)
		}
		if n := len(a.known); n > maxAnswersKept {
			t.Errorf("%d answers are kept", n)
		}
		// No more than so many reviews run at once.
		running, most := 0, 0
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				a.of(t.Context(), fmt.Sprint("slow", i), time.Time{}, func() (string, error) {
					mu.Lock()
					running++
					most = max(most, running)
					mu.Unlock()
					time.Sleep(time.Second)
					mu.Lock()
					running--
					mu.Unlock()
					return "x", nil
				})
			})
		}
		wg.Wait()
		if most != maxReviews {
			t.Errorf("%d reviews at once, want %d", most, maxReviews)
		}
	})
}

// published is an issuer that shows these keys, and counts how often they are fetched.
type published struct {
	keys    []byte
	err     error
	silent  bool // it never answers
	slow    time.Duration
	fetches int
}

func (p *published) answer(r *http.Request) (int, string, error) {
	if p.silent {
		<-r.Context().Done()
		return 0, "", r.Context().Err()
	}
	select {
	case <-time.After(p.slow):
	case <-r.Context().Done():
		return 0, "", r.Context().Err()
	}
	if p.err != nil {
		return 0, "", p.err
	}
	switch r.URL.String() {
	case issuer + "/.well-known/openid-configuration":
		return 200, `{"issuer":"` + issuer + `","jwks_uri":"https://keys.example/jwks"}`, nil
	case "https://keys.example/jwks":
		p.fetches++
		return 200, string(p.keys), nil
	}
	return 404, "", nil
}

func (p *published) verifier() *Kubernetes {
	keys := &issuerKeys{issuer: issuer, fetch: answering(p.answer).fetcher(), log: quiet, turn: make(chan struct{}, 1), budget: keysBurst}
	return &Kubernetes{audience: "pgkeyless", accounts: []string{"*"}, checker: &verifier{issuer: issuer, audience: "pgkeyless", keys: keys}}
}

func TestTokensAreVerifiedByTheIssuersKeys(t *testing.T) {
	ours, others := newSigner(t, "a"), newSigner(t, "a")
	p := &published{keys: jwks(t, ours)}
	for name, test := range map[string]struct {
		token string
		want  string // reason; "" lets it in
	}{
		"right":           {ours.token(t, nil), ""},
		"another's key":   {others.token(t, nil), "not a valid token of issuer"},
		"another issuer":  {ours.token(t, func(c map[string]any) { c["iss"] = "https://other.example" }), "not a valid token of issuer"},
		"other audience":  {ours.token(t, func(c map[string]any) { c["aud"] = []string{"x"} }), "audience"},
		"expired":         {ours.token(t, func(c map[string]any) { c["exp"] = time.Now().Add(-time.Second).Unix() }), "it expired at"},
		"never ends":      {ours.token(t, func(c map[string]any) { delete(c, "exp") }), "not a valid token of issuer"},
		"not yet":         {ours.token(t, func(c map[string]any) { c["nbf"] = time.Now().Add(time.Hour).Unix() }), "not a valid token of issuer"},
		"no algorithm":    {encode(map[string]any{"alg": "none", "kid": "a"}) + "." + strings.Split(ours.token(t, nil), ".")[1] + ".x", "not a valid token of issuer"},
		"no account":      {ours.token(t, func(c map[string]any) { c["sub"] = "ada" }), noToken},
		"changed":         {encode(map[string]any{"alg": "ES256", "kid": "a"}) + "." + encode(map[string]any{"iss": issuer, "sub": "system:serviceaccount:x:admin", "aud": "pgkeyless", "exp": time.Now().Add(time.Hour).Unix()}) + "." + strings.Split(ours.token(t, nil), ".")[2], "not a valid token of issuer"},
		"HMAC by the key": {encode(map[string]any{"alg": "HS256", "kid": "a"}) + "." + strings.Split(ours.token(t, nil), ".")[1] + ".eA", "not a valid token of issuer"},
	} {
		got, err := p.verifier().identity(t.Context(), test.token, time.Now())
		refused, _ := errors.AsType[*notAccepted](err)
		if test.want == "" && (err != nil || got != "system:serviceaccount:shop:orders") || test.want != "" && (refused == nil || !strings.Contains(refused.reason, test.want) || got != "") {
			t.Errorf("%s: %q, %v; want %q", name, got, err, test.want)
		}
		if refused != nil && strings.Contains(refused.reason, test.token[strings.LastIndexByte(test.token, '.'):]) {
			t.Errorf("%s: the token is in the reason: %s", name, refused.reason)
		}
	}
}

func TestKeysOfTheIssuerAreFetchedSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, next := newSigner(t, "a"), newSigner(t, "b")
		p := &published{keys: jwks(t, old)}
		k := p.verifier()
		login := func(s signer) error {
			_, err := k.identity(t.Context(), s.token(t, nil), time.Now())
			return err
		}
		for range 5 {
			if err := login(old); err != nil {
				t.Error(err)
			}
		}
		if p.fetches != 1 {
			t.Errorf("%d fetches for one key", p.fetches)
		}
		p.keys = jwks(t, next) // a new key counts at once, and the old one no more
		if err := login(next); err != nil || p.fetches != 2 {
			t.Errorf("after the keys have changed: %v, %d fetches", err, p.fetches)
		}
		if err := login(old); !errors.As(err, new(*notAccepted)) {
			t.Errorf("a withdrawn key: %v", err)
		}
		for i := range 1000 {
			if err := login(newSigner(t, fmt.Sprint("made up", i))); !errors.As(err, new(*notAccepted)) {
				t.Error(err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		if p.fetches > 2+keysBurst+1 {
			t.Errorf("%d fetches for invented keys in 10 s", p.fetches)
		}
		// Keys outlast an issuer that is away, for a day.
		p.err = errors.New("down")
		time.Sleep(time.Hour)
		if err := login(next); err != nil {
			t.Errorf("while the issuer is away: %v", err)
		}
		time.Sleep(keysServe)
		if err := login(next); !errors.Is(err, causes.TokenKeysUnreachable) || !strings.Contains(err.Error(), "down") {
			t.Errorf("after a day: %v", err)
		}
		p.err = nil
		if err := login(next); err != nil {
			t.Errorf("when it is back: %v", err)
		}
	})
}

// An issuer that does not answer holds up no login whose key is known for more than a
// moment, and those for unknown keys do not stand in its way.
func TestSilentIssuerHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSigner(t, "a")
		p := &published{keys: jwks(t, s)}
		k := p.verifier()
		login := func(s signer) (time.Duration, error) {
			began := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			_, err := k.identity(ctx, s.token(t, nil), time.Now())
			return time.Since(began), err
		}
		if _, err := login(s); err != nil {
			t.Fatal(err)
		}
		p.silent = true
		var strangers sync.WaitGroup
		for i := range 5 {
			stranger := newSigner(t, fmt.Sprint("made up", i))
			strangers.Go(func() {
				if _, err := login(stranger); err == nil {
					t.Error("a key that nobody has counts")
				}
			})
		}
		synctest.Wait()
		if took, err := login(s); took > 0 || err != nil {
			t.Errorf("while others look for keys: %v after %v", err, took)
		}
		strangers.Wait()
		time.Sleep(2 * keysLast)
		slow := 0
		for range 60 {
			took, err := login(s)
			if err != nil || took > refreshLimit {
				t.Errorf("%v after %v", err, took)
			}
			if took > 0 {
				slow++
			}
			time.Sleep(time.Second)
		}
		if slow != 1 {
			t.Errorf("%d logins of a minute were held up, want 1", slow)
		}
		if _, err := login(newSigner(t, "b")); !errors.Is(err, causes.TokenKeysUnreachable) {
			t.Errorf("a new key that cannot be fetched: %v", err)
		}
	})
}

// A client that has little time left, or leaves, keeps no withdrawn key alive: that its
// own login ended says nothing about the issuer.
func TestClientsKeepNoWithdrawnKeyAlive(t *testing.T) {
	withdrawn, next, unknown := newSigner(t, "a"), newSigner(t, "b"), newSigner(t, "made up")
	overdue := func(t *testing.T) context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		t.Cleanup(cancel)
		return ctx
	}
	leaves := func(t *testing.T) context.Context {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Millisecond, cancel)
		return ctx
	}
	for _, test := range []struct {
		name string
		end  func(*testing.T) context.Context
		key  signer
	}{
		{"little time, the withdrawn key", overdue, withdrawn},
		{"leaves, the withdrawn key", leaves, withdrawn},
		{"little time, an unknown key", overdue, unknown},
		{"leaves, an unknown key", leaves, unknown},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &published{keys: jwks(t, withdrawn), slow: time.Second}
				k := p.verifier()
				if _, err := k.identity(t.Context(), withdrawn.token(t, nil), time.Now()); err != nil {
					t.Fatal(err)
				}
				p.keys = jwks(t, next)
				time.Sleep(keysLast + time.Second)
				for range 3 {
					k.identity(test.end(t), test.key.token(t, nil), time.Now())
				}
				if _, err := k.identity(t.Context(), withdrawn.token(t, nil), time.Now()); !errors.As(err, new(*notAccepted)) {
					t.Errorf("a key that was withdrawn before: %v", err)
				}
				if _, err := k.identity(t.Context(), next.token(t, nil), time.Now()); err != nil {
					t.Errorf("the key in its place: %v", err)
				}
			})
		})
	}
}

func FuzzKeys(f *testing.F) {
	f.Add(jwks(f, newSigner(f, "a")))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"},{"kty":"oct","k":"AAAA"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := parseKeys(text)
		if (len(keys.all) > 0) != (err == nil) || len(keys.all) > maxKeys {
			t.Errorf("%q: %d keys, %v", text, len(keys.all), err)
		}
		for _, key := range keys.all {
			if secret, ok := key.(crypto.Signer); ok {
				t.Errorf("%q: %T is no public key", text, secret)
			}
		}
	})
}

func TestKeysFromAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jwks.json")
	ours := newSigner(t, "a")
	for name, text := range map[string][]byte{"no JSON": []byte("{"), "no keys": []byte(`{"keys":[]}`), "no key that counts": []byte(`{"keys":[{"kty":"oct","k":"AAAA"}]}`),
		"too many": []byte(`{"keys":[` + strings.Repeat("{},", maxKeys) + `{}]}`)} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := NewKubernetes(KubernetesConfig{Audience: "pgkeyless", Issuer: issuer, JWKSFile: path}, quiet); !causes.Misused(err) || causes.Hint(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.WriteFile(path, jwks(t, ours), 0o600); err != nil {
		t.Fatal(err)
	}
	k, err := NewKubernetes(KubernetesConfig{Audience: "pgkeyless", Issuer: issuer, JWKSFile: path}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := k.identity(t.Context(), ours.token(t, nil), time.Now()); err != nil || got == "" {
		t.Errorf("%q, %v", got, err)
	}
	unnamed := ours
	unnamed.id = ""
	if got, err := k.identity(t.Context(), unnamed.token(t, nil), time.Now()); err != nil || got == "" {
		t.Errorf("a token that names no key: %q, %v", got, err)
	}
}

func TestOutsideAPodTheServerMustBeNamed(t *testing.T) {
	t.Setenv(podHost, "")
	if _, err := NewKubernetes(KubernetesConfig{Audience: "pgkeyless"}, quiet); !causes.Misused(err) || !strings.Contains(causes.Hint(err), "--kubernetes-server") {
		t.Errorf("%v, hint %q", err, causes.Hint(err))
	}
	t.Setenv(podHost, "fd00::1")
	t.Setenv(podPort, "443")
	c, err := KubernetesConfig{}.inPod()
	if err != nil || c.Server != "https://[fd00::1]:443" || c.CAFile != podDirectory+"/ca.crt" || c.TokenFile != podDirectory+"/token" {
		t.Errorf("%+v, %v", c, err)
	}
	c, err = KubernetesConfig{Server: "https://api.example"}.inPod()
	if err != nil || c.Server != "https://api.example" || c.CAFile != "" {
		t.Errorf("an API server elsewhere: %+v, %v", c, err)
	}
}

// The token by which pgkeyless itself is known is replaced every hour.
func TestOwnTokenIsReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	write := func(text string, at time.Time) {
		t.Helper()
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chtimes(path, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	write("two words", time.Now())
	if _, err := newReviewer("https://api", "", path, "pgkeyless", quiet); !causes.Misused(err) {
		t.Errorf("a token of two words: %v", err)
	}
	write("first\n", time.Now())
	r, err := newReviewer("https://api", "", path, "pgkeyless", quiet)
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	r.fetch = answering(func(q *http.Request) (int, string, error) {
		seen = append(seen, q.Header.Get("Authorization"))
		return 201, accepted, nil
	}).fetcher()
	r.check(t.Context(), "x.y.z")
	write("second", time.Now().Add(time.Minute))
	r.check(t.Context(), "x.y.z")
	if want := "[Bearer first Bearer second]"; fmt.Sprint(seen) != want {
		t.Errorf("asked with %v, want %s", seen, want)
	}
	if text := fmt.Sprintf("%+v", r.own.value); strings.Contains(text, "second") {
		t.Errorf("the token shows: %s", text)
	}
}
