package access

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/serviceaccount"
	"github.com/pgkeyless/pgkeyless/proxy"
)

// KubernetesConfig says whose tokens count, and who checks them. Without an Issuer it is
// an API server, by TokenReview.
type KubernetesConfig struct {
	// Audience is what tokens must be for.
	Audience string
	// Accounts are the service accounts that may connect: NAMESPACE/NAME, NAMESPACE/*
	// or *.
	Accounts []string
	// Server is the API server's URL, TokenFile the token by which it knows pgkeyless.
	// Empty: those of the pod that pgkeyless runs in.
	Server, TokenFile string
	// CAFile has the CAs of the API server, or issuer. Empty: the pod's, or for others
	// than the pod's API server the system's.
	CAFile string
	// Issuer is the issuer of the cluster's tokens, whose keys verify them. Those are
	// in JWKSFile or, where that is empty, fetched from the issuer.
	Issuer, JWKSFile string
}

// Where a pod finds its API server, and how it is known to it.
//
// Source: Kubernetes docs, tasks/run-application/access-api-from-pod.
const (
	podDirectory = "/var/run/secrets/kubernetes.io/serviceaccount"
	podHost      = "KUBERNETES_SERVICE_HOST"
	podPort      = "KUBERNETES_SERVICE_PORT"
)

// Kubernetes is a proxy.Proof by a service-account token of Kubernetes, which the client
// gives as its password inside TLS. It is safe for concurrent use.
type Kubernetes struct {
	audience string
	accounts []string
	checker  interface {
		// check returns the user name of a token.
		check(ctx context.Context, token string) (username string, err error)
	}
	reviews *answers // nil: checking costs nobody else anything
}

// NewKubernetes reads the files that c names, which are read again when they change. It
// asks nobody. What is wrong is a causes.Misuse.
func NewKubernetes(c KubernetesConfig, log *slog.Logger) (*Kubernetes, error) {
	k := &Kubernetes{audience: c.Audience, accounts: c.Accounts}
	var err error
	switch {
	case c.JWKSFile != "":
		v := &verifier{issuer: c.Issuer, audience: c.Audience}
		v.keys, err = newFileKeys(c.JWKSFile, log)
		k.checker = v
	case c.Issuer != "":
		v := &verifier{issuer: c.Issuer, audience: c.Audience}
		v.keys, err = newIssuerKeys(c.Issuer, c.CAFile, log)
		k.checker = v
	default:
		if c, err = c.inPod(); err != nil {
			return nil, err
		}
		k.checker, err = newReviewer(c.Server, c.CAFile, c.TokenFile, c.Audience, log)
		k.reviews = newAnswers()
	}
	if err != nil {
		return nil, err
	}
	return k, nil
}

// inPod is c with what a pod knows, where it says nothing itself.
func (c KubernetesConfig) inPod() (KubernetesConfig, error) {
	if c.Server == "" {
		host, port := os.Getenv(podHost), os.Getenv(podPort)
		if host == "" || port == "" {
			return c, causes.Misuse("auth is kubernetes, and this process runs in no pod ("+podHost+" is not set)",
				"name the API server with --kubernetes-server, --kubernetes-ca-file and --kubernetes-token-file, or the issuer of its tokens with --kubernetes-issuer")
		}
		c.Server = "https://" + net.JoinHostPort(host, port)
		if c.CAFile == "" {
			c.CAFile = filepath.Join(podDirectory, "ca.crt")
		}
	}
	if c.TokenFile == "" {
		c.TokenFile = filepath.Join(podDirectory, "token")
	}
	return c, nil
}

// Prove implements proxy.Proof. The identity is system:serviceaccount:NAMESPACE:NAME.
func (k *Kubernetes) Prove(ctx context.Context, c *proxy.Claim) (identity string, err error) {
	if c.TLS == nil {
		return "", causes.NeedsTLS.New(nil, nil)
	}
	words, err := c.Password()
	if err != nil {
		return "", err
	}
	identity, err = k.identity(ctx, words.Reveal(), time.Now())
	if refused, ok := errors.AsType[*notAccepted](err); ok {
		return "", causes.ServiceTokenRefused.New(causes.Facts{"quoted user": strconv.Quote(c.User), "audience": k.audience, "said": refused.reason}, nil)
	}
	if err != nil {
		return "", err
	}
	if account, ok := serviceaccount.OfUser(identity); !ok || !k.lets(account) {
		return identity, causes.AccountRefused.New(causes.Facts{"identity": identity, "account": account.String()}, nil)
	}
	return identity, nil
}

// skew is how far the clocks of pgkeyless and the API server may differ before a token is
// refused without asking.
const skew = time.Minute

// identity is whose a token is. The error is a *notAccepted or one of the table.
func (k *Kubernetes) identity(ctx context.Context, token string, now time.Time) (string, error) {
	said, ok := parseClaims(token)
	if !ok {
		return "", &notAccepted{noToken}
	}
	if why := said.unfit(k.audience, now.Add(-skew)); why != "" { // which costs nobody anything
		return "", &notAccepted{why}
	}
	check := func() (string, error) { return k.checked(ctx, token, said, now) }
	if k.reviews == nil {
		return check()
	}
	return k.reviews.of(ctx, token, said.expires, check)
}

// checked has the token checked. said is what it says of itself.
func (k *Kubernetes) checked(ctx context.Context, token string, said claims, now time.Time) (string, error) {
	username, err := k.checker.check(ctx, token)
	if errors.As(err, new(*notAccepted)) {
		if why := said.unfit(k.audience, now); why != "" { // in clearer words
			err = &notAccepted{why}
		}
	}
	if err != nil {
		return "", err
	}
	if _, ok := serviceaccount.OfUser(username); !ok {
		return "", &notAccepted{noToken}
	}
	return username, nil
}

// lets reports whether account may connect.
func (k *Kubernetes) lets(account serviceaccount.Account) bool {
	return slices.ContainsFunc(k.accounts, account.In)
}
