// Package serviceaccount knows how Kubernetes names service accounts, and which of them an
// entry of kubernetes-accounts means.
package serviceaccount

import (
	"regexp"
	"strings"
	"sync"
)

// Account is a service account.
type Account struct{ Namespace, Name string }

// String is NAMESPACE/NAME.
func (a Account) String() string { return a.Namespace + "/" + a.Name }

// What namespaces and names may be. They are compiled when first used: they are large.
//
// Source: Kubernetes docs, concepts/overview/working-with-objects/names.
var (
	namespaces = lazily(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	names      = lazily(`^[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?$`)
)

func lazily(pattern string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
}

// userPrefix begins the user name of each service account.
//
// Source: Kubernetes docs, reference/access-authn-authz/authentication, "Service account
// tokens".
const userPrefix = "system:serviceaccount:"

// OfUser is the account of a user name, system:serviceaccount:NAMESPACE:NAME. ok is false
// for any other.
func OfUser(username string) (a Account, ok bool) {
	rest, ok := strings.CutPrefix(username, userPrefix)
	if !ok {
		return Account{}, false
	}
	namespace, name, ok := strings.Cut(rest, ":")
	if !ok || !namespaces().MatchString(namespace) || !names().MatchString(name) {
		return Account{}, false
	}
	return Account{namespace, name}, true
}

// IsEntry reports whether s is NAMESPACE/NAME, NAMESPACE/* for all of a namespace, or * for
// all of a cluster.
func IsEntry(s string) bool {
	if s == "*" {
		return true
	}
	namespace, name, ok := strings.Cut(s, "/")
	return ok && namespaces().MatchString(namespace) && (name == "*" || names().MatchString(name))
}

// In reports whether entry, for which IsEntry is true, means a.
func (a Account) In(entry string) bool {
	return entry == "*" || entry == a.String() || entry == a.Namespace+"/*"
}
