package config

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// User says what clients with a proven identity may do. The config file has them under
// users.
type User struct {
	// Identity is whom this is for: an exact one, or with one * in it all that are alike
	// but for what stands there.
	Identity string
	// DatabaseUsers are those that it may log in as. A client that names none of them, but
	// its own identity, gets the first.
	DatabaseUsers []string
	ReadOnly      bool     // guard its sessions as the option read-only does
	Targets       []string // names of those that it may use; none means all
	RoleARN       string   // AWS role that its logins assume; "" for the identity of pgkeyless
	Place         string   // FILE:LINE
}

const (
	usersKind = "users"
	// maxUsers bounds the list, which is searched for each login.
	maxUsers = 10_000
)

// roleARN is an IAM role, perhaps with a path.
//
// Source: AWS IAM user guide, "IAM identifiers".
var roleARN = lazily(`^arn:aws[a-z-]*:iam::[0-9]{12}:role/([\x21-\x7e]{1,512}/)?[\w+=,.@-]{1,64}$`)

// user reads one entry of users.
func (p *parser) user(identity string, at, value *yaml.Node) {
	u := User{Identity: identity, Place: p.file.at(at.Line)}
	switch {
	case identity == "" || strings.ContainsFunc(identity, func(r rune) bool { return r < ' ' || r == 0x7f }):
		p.wrong(at.Line, "%q is not an identity", identity).hinted("write the name that a client proves: a user of the auth-file, a name in a certificate, a service account")
		return
	case strings.Count(identity, "*") > 1:
		p.wrong(at.Line, "%q has more than one *", identity).hinted("write one: *@example.com, or system:serviceaccount:shop:*")
		return
	case len(p.file.users) == maxUsers:
		p.wrong(at.Line, "more than %d users", maxUsers).hinted("give several of them one entry, with a * at its end")
		return
	case p.found:
		p.wrong(at.Line, "users: a config file that is found in a project directory may not set this").hinted(
			"put it in your own config file; or name this file, if you trust it, with --config-file %s", p.file.path)
		return
	}
	wrong := len(p.errs)
	p.pairs(value, "user "+strconv.Quote(identity), func(key string, at, value *yaml.Node) {
		switch key {
		case "database-users":
			u.DatabaseUsers = p.words(key, value)
		case "targets":
			u.Targets = p.words(key, value)
		case "read-only":
			o := Option{Name: key, Usage: "true or false"}
			if text, ok := p.scalar(o, value); ok {
				set := flagged(func(u *User) *bool { return &u.ReadOnly })
				if err := o.placed(set(&u, text), p.file.at(value.Line)+": "+key); err != nil {
					p.errs = append(p.errs, err)
				}
			}
		case "role-arn":
			text, ok := p.scalar(Option{Name: key, Usage: "ARN of a role"}, value)
			if u.RoleARN = text; ok && !roleARN().MatchString(text) {
				p.wrong(value.Line, "%q is not the ARN of a role", text).hinted("one looks like arn:aws:iam::111122223333:role/NAME")
			}
		default:
			e := p.wrong(at.Line, "unknown key %q", key)
			if meant := nearest(key, []string{"database-users", "targets", "read-only", "role-arn"}); meant != "" {
				e.hinted("did you mean %s?", meant)
			} else {
				e.hinted("the keys here are database-users, read-only, role-arn, targets")
			}
		}
	})
	if len(u.DatabaseUsers) == 0 && len(p.errs) == wrong {
		p.wrong(at.Line, "user %q has no database-users", identity).hinted("name the database users that it may log in as: database-users: app_user")
	}
	p.file.users = append(p.file.users, u)
}

// words is a list of names, or a single one.
func (p *parser) words(key string, n *yaml.Node) []string {
	if n.Kind != yaml.SequenceNode {
		text, ok := p.scalar(Option{Name: key, Usage: "a name, or a list of names"}, n)
		if !ok {
			return nil
		}
		return p.word(key, n, text, nil)
	}
	var all []string
	for _, item := range n.Content {
		if item.Kind != yaml.ScalarNode || isNull(item) {
			p.wrong(item.Line, "%s takes names", key).hinted("%s: [app_user, reports]", key)
			return nil
		}
		all = p.word(key, item, item.Value, all)
	}
	return all
}

func (p *parser) word(key string, at *yaml.Node, text string, all []string) []string {
	if text == "" || strings.ContainsAny(text, "\x00\r\n") {
		p.wrong(at.Line, "%s: %q is no name", key, text).hinted("%s: [app_user, reports]", key)
		return all
	}
	return append(all, text)
}

// CheckUsers refuses users where clients have no identity, and none where they may have
// any.
func (c *Config) CheckUsers() error {
	var e *Error
	switch {
	case len(c.Users) == 0 && c.Run.Auth == AuthKubernetes && c.Run.Kubernetes.Accounts == "":
		return problem("auth is kubernetes, and neither kubernetes-accounts nor users says which service accounts may connect").hinted(
			"name them with --kubernetes-accounts NAMESPACE/NAME; every pod of a cluster can get a token for any audience")
	case len(c.Users) == 0:
		return nil
	case c.Run.Auth == AuthNone:
		e = problem("users maps the identities of clients, and auth is none").hinted("choose how clients prove who they are: auth: scram, cert or kubernetes")
	case c.Run.Auth == AuthLocal:
		e = problem("users maps the identities of clients, and local-password says of nobody who they are").hinted("choose how clients prove who they are: auth: scram, cert or kubernetes")
	default:
		return nil
	}
	e.Source = c.Users[0].Place
	return e
}
