package access

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/secret"
	"github.com/pgkeyless/pgkeyless/internal/serviceaccount"
)

const (
	// askLimit bounds one request over HTTPS, from the connection to the last byte.
	askLimit = 10 * time.Second
	// maxAnswer bounds an answer: a TokenReview has the token and the user's groups, a
	// set of keys some kilobytes.
	maxAnswer = 256 << 10
	// maxOwnToken bounds the token by which pgkeyless itself is known to the API server.
	maxOwnToken = 16 << 10
)

// fetcher makes requests over HTTPS, follows no redirect, and bounds answers. It is safe
// for concurrent use.
type fetcher struct {
	cas *watchedFile[*x509.CertPool] // nil: the system's

	mu     sync.Mutex
	pool   *x509.CertPool // for which client was made
	client *http.Client
}

func newFetcher(caFile string, log *slog.Logger) (*fetcher, error) {
	f := new(fetcher)
	if caFile == "" {
		return f, nil
	}
	var err error
	f.cas, err = newWatchedFile(caFile, maxPEM, log, func(text []byte) (*x509.CertPool, error) {
		return parsePool(text, caFile, "the CA of the Kubernetes API server or issuer")
	})
	return f, err
}

// now is a client that trusts the CAs of now.
func (f *fetcher) now() *http.Client {
	var pool *x509.CertPool
	if f.cas != nil {
		pool = f.cas.now()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.client != nil && pool == f.pool {
		return f.client
	}
	if f.client != nil {
		f.client.CloseIdleConnections()
	}
	f.pool = pool
	f.client = &http.Client{
		Timeout:       askLimit,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment,
			// Without HTTP/2, of which one dead connection would fail request after request.
			TLSClientConfig:        &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
			MaxIdleConnsPerHost:    maxReviews,
			IdleConnTimeout:        time.Minute,
			MaxResponseHeaderBytes: 64 << 10,
		},
	}
	return f.client
}

// do returns the status and body of the answer. Its errors hold no URL.
func (f *fetcher) do(r *http.Request) (status int, body []byte, err error) {
	answer, err := f.now().Do(r)
	if failed, ok := errors.AsType[*url.Error](err); ok {
		err = failed.Err
	}
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	body, err = io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	if err == nil && len(body) > maxAnswer {
		err = fmt.Errorf("the answer has more than %d bytes", maxAnswer)
	}
	return answer.StatusCode, body, err
}

// reviewer asks a Kubernetes API server whose a token is. It is safe for concurrent use.
type reviewer struct {
	server   string // URL
	audience string
	own      *watchedFile[secret.Text]
	fetch    *fetcher
}

func newReviewer(server, caFile, tokenFile, audience string, log *slog.Logger) (*reviewer, error) {
	r := &reviewer{server: server, audience: audience}
	var err error
	if r.fetch, err = newFetcher(caFile, log); err != nil {
		return nil, err
	}
	r.own, err = newWatchedFile(tokenFile, maxOwnToken, log, func(text []byte) (secret.Text, error) {
		token := strings.TrimSpace(string(text))
		if token == "" || strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c > '~' }) {
			return secret.Text{}, causes.Misuse(tokenFile+" holds no token", "name a file with the token of pgkeyless's own service account")
		}
		return secret.New(token), nil
	})
	return r, err
}

// review is a TokenReview.
//
// Source: Kubernetes API reference, authentication-resources/token-review-v1.
type review struct {
	Version string     `json:"apiVersion"`
	Kind    string     `json:"kind"`
	Spec    reviewSpec `json:"spec"`
}

type reviewSpec struct {
	Token     string   `json:"token"`
	Audiences []string `json:"audiences"`
}

const (
	reviewVersion = "authentication.k8s.io/v1"
	reviewKind    = "TokenReview"
	reviewPath    = "/apis/" + reviewVersion + "/tokenreviews"
)

// notAccepted is a token that does not count, and why.
type notAccepted struct{ reason string }

func (n *notAccepted) Error() string { return n.reason }

// byServer is a token that the API server does not accept. What it says is in reason.
const byServer = "the API server rejects it"

// check returns the user name that the API server knows the token by. The error is a
// *notAccepted, or one of the table: the API server cannot be asked, or does not let
// pgkeyless ask.
func (r *reviewer) check(ctx context.Context, token string) (username string, err error) {
	body, err := json.Marshal(review{reviewVersion, reviewKind, reviewSpec{token, []string{r.audience}}})
	if err != nil {
		return "", err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(r.server, "/")+reviewPath, bytes.NewReader(body))
	if err != nil {
		return "", r.unreachable(err)
	}
	own := r.own.now()
	request.Header.Set("Authorization", "Bearer "+own.Reveal())
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	// A review changes nothing, so that it may be sent once more where the server has closed the
	// connection that it is sent on. Without a value the header is not sent (net/http, Transport).
	request.Header["Idempotency-Key"] = nil
	status, answer, err := r.fetch.do(request)
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case err != nil:
		return "", r.unreachable(err)
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return "", r.denied(status, answer, own, token)
	case status != http.StatusOK && status != http.StatusCreated:
		return "", r.unreachable(fmt.Errorf("it answers with HTTP status %d", status))
	}
	username, err = parseReview(answer, r.audience)
	if errors.Is(err, errGarbledReview) {
		return "", r.unreachable(err)
	}
	if err != nil && mentions(err.Error(), token) {
		err = &notAccepted{byServer}
	}
	return username, err
}

func (r *reviewer) unreachable(err error) error {
	return causes.APIServerUnreachable.New(causes.Facts{"server": r.server}, err)
}

// denied is an API server that does not let pgkeyless ask. Its words are those of a
// Status, if they are.
func (r *reviewer) denied(status int, answer []byte, own secret.Text, token string) error {
	var said struct {
		Message string `json:"message"`
	}
	text := fmt.Sprintf("HTTP status %d", status)
	if json.Unmarshal(answer, &said) == nil && said.Message != "" && !mentions(said.Message, token) && !mentions(said.Message, own.Reveal()) {
		text = said.Message
	}
	account := "NAMESPACE:NAME"
	if c, ok := parseClaims(own.Reveal()); ok {
		if a, ok := serviceaccount.OfUser(c.subject); ok {
			account = a.Namespace + ":" + a.Name
		}
	}
	return causes.TokenReviewDenied.New(causes.Facts{"account": account}, errors.New(text))
}

// mentions reports whether text holds a part of a secret that somebody could use: its
// last part, which is a JWT's signature.
func mentions(text, token string) bool {
	return strings.Contains(text, token[strings.LastIndexByte(token, '.')+1:])
}

// errGarbledReview is an answer that is no TokenReview.
var errGarbledReview = errors.New("its answer is no TokenReview")

// parseReview reads an API server's answer: the user name that it knows a token by. Names
// of fields count as they are written, each answer is one document, and an API server
// that does not confirm the audience knows nothing of audiences. The error is
// errGarbledReview or a *notAccepted.
func parseReview(answer []byte, audience string) (username string, err error) {
	var kind, version string
	var authenticated bool
	var audiences []string
	whole, ok := fields(answer)
	if !ok || !whole.read("kind", &kind) || !whole.read("apiVersion", &version) || kind != reviewKind || version != reviewVersion {
		return "", errGarbledReview
	}
	status, ok := fields(whole["status"])
	if !ok {
		return "", errGarbledReview
	}
	if _, there := status["authenticated"]; there && !status.read("authenticated", &authenticated) {
		return "", errGarbledReview
	}
	if !authenticated { // which is left out where it is false
		var said string
		if status.read("error", &said) && said != "" {
			return "", &notAccepted{byServer + ": " + display.Line(said)}
		}
		return "", &notAccepted{byServer}
	}
	user, ok := fields(status["user"])
	if !ok || !user.read("username", &username) || username == "" {
		return "", errGarbledReview
	}
	if _, there := status["audiences"]; there && !status.read("audiences", &audiences) {
		return "", errGarbledReview
	}
	if !slices.Contains(audiences, audience) {
		return "", &notAccepted{"the API server does not confirm its audience"}
	}
	return username, nil
}

// object is a JSON object whose names count as they are written; encoding/json
// would take STATUS for status.
type object map[string]json.RawMessage

func fields(text []byte) (object, bool) {
	var o object
	err := json.Unmarshal(text, &o)
	return o, err == nil && o != nil
}

// read decodes a field, which must be there and not null.
func (o object) read(name string, into any) bool {
	raw, ok := o[name]
	return ok && string(raw) != "null" && json.Unmarshal(raw, into) == nil
}
