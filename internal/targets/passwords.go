package targets

import (
	"context"
	"strings"
	"time"

	"github.com/pgkeyless/pgkeyless/auth"
	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/credentials"
	"github.com/pgkeyless/pgkeyless/internal/refusals"
	"github.com/pgkeyless/pgkeyless/internal/secretstore"
	"github.com/pgkeyless/pgkeyless/proxy"
)

// Passwords is the proxy.PasswordSource of a target with the option secret, for one user.
// It is safe for concurrent use.
type Passwords struct {
	User    string              // who logs in with it
	Secret  *secretstore.Secret // nil where there is none
	missing error               // why

	rotation *proxy.Rotation
}

// held is a secret, with what logins by it share at each database, by its address.
type held struct {
	*secretstore.Secret
	rotations map[string]*proxy.Rotation
}

// secretKey is a secret as it is read: what is in memory serves nobody else.
type secretKey struct {
	profile, region, id, user string
	person                    personKey
}

// noPasswords says why no user of t's database, which is l's, has a password, or "".
//
// Source: Aurora user guide, "Creating an Aurora express cluster"; Aurora DSQL user guide,
// "Authentication and authorization".
func noPasswords(t config.Target, l Login) string {
	switch {
	case t.Secret == "":
		return ""
	case l.Endpoint.Kind == auth.KindDSQL:
		return "Aurora DSQL knows IAM tokens only"
	case l.Database.Express:
		return "an Aurora express cluster knows IAM tokens only"
	case t.Managed() && l.Endpoint.Kind == auth.KindProxy:
		return "an RDS Proxy has no master user: its database has"
	case t.Managed() && !l.Endpoint.Described():
		return "secret=managed takes a database of RDS, which can be asked about it"
	}
	return ""
}

// Passwords returns those of t's database, which is l's; nil where all users log in with
// tokens.
func (w *Wiring) Passwords(t config.Target, l Login) (*Passwords, error) {
	if t.Secret == "" {
		return nil, nil
	}
	if why := noPasswords(t, l); why != "" {
		return nil, causes.Misuse("target \""+t.Name+"\" has the option secret: "+why, "leave out secret, or name a secret of Secrets Manager: secret=NAME and user=NAME")
	}
	p := &Passwords{User: t.User, rotation: proxy.NewRotation()}
	id := t.Secret
	if t.Managed() {
		if p.User == "" {
			p.User = l.Database.MasterUser
		}
		if id = l.Database.Secret.ARN; id == "" {
			p.missing = causes.NoManagedSecret.New(causes.Facts{"database": l.Database.String(), "command": l.Database.ManageSecret()}, nil)
			return p, nil
		}
	}
	region := secretstore.RegionOf(id)
	if region == "" {
		region = l.Endpoint.Region
	}
	key := secretKey{t.Profile, region, id, p.User, l.person}
	w.mu.Lock()
	defer w.mu.Unlock()
	h, ok := w.secrets[key]
	if !ok {
		h = held{secretstore.New(secretstore.Config{
			ID: id, Region: region, API: secretstore.NewAPI(l.AWS, region), Credentials: l.AWS.Credentials, User: p.User, Profile: t.Profile,
			Explain: func(err error) error {
				err = credentials.Explain(t.Profile, err)
				if _, blamed := credentials.Blamed(err); blamed {
					credentials.Reread(l.AWS.Credentials)
				}
				return err
			},
		}), map[string]*proxy.Rotation{}}
		w.secrets[key] = h
	}
	at := l.Endpoint.Address()
	if h.rotations[at] == nil {
		h.rotations[at] = p.rotation
	}
	p.Secret, p.rotation = h.Secret, h.rotations[at]
	return p, nil
}

// SetSecretsAside makes routes that are made from now on read their secrets again. The
// caller calls one of the two: done forgets the passwords from before, so that none stays
// in memory of a target that is not served any more; undo has them serve on. Only one may
// be under way.
func (w *Wiring) SetSecretsAside() (done, undo func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.secrets
	w.secrets = map[secretKey]held{}
	done = func() {
		for _, h := range before {
			h.Close()
		}
	}
	return done, func() { w.putBack(before) }
}

// putBack is the undo of SetSecretsAside. What has been read since serves clients of
// routes from before: it is kept where these had no such secret.
func (w *Wiring) putBack(before map[secretKey]held) {
	w.mu.Lock()
	since := w.secrets
	w.secrets = before
	var left []held
	for key, h := range before {
		if _, here := w.people[key.person]; key.person != (personKey{}) && !here { // left meanwhile
			left = append(left, h)
			delete(before, key)
		}
	}
	for key, h := range since {
		if _, known := before[key]; known {
			left = append(left, h)
		} else {
			before[key] = h
		}
	}
	w.mu.Unlock()
	for _, h := range left {
		h.Close()
	}
}

// name is the secret's, "" where there is none.
func (p *Passwords) name() string {
	if p.Secret == nil {
		return ""
	}
	return p.Secret.ID()
}

// Has implements proxy.PasswordSource.
func (p *Passwords) Has(user string) bool { return p != nil && user == p.User }

// Password implements proxy.PasswordSource.
func (p *Passwords) Password(ctx context.Context, _ string) (proxy.Password, error) {
	if p.Secret == nil {
		return proxy.Password{}, p.missing
	}
	login, err := p.Secret.Login(ctx)
	return login.Password, err
}

// Renew implements proxy.PasswordSource.
func (p *Passwords) Renew(ctx context.Context, _ string, refused proxy.Password) (proxy.Password, error) {
	if p.Secret == nil {
		return proxy.Password{}, p.missing
	}
	login, err := p.Secret.Renew(ctx, refused)
	return login.Password, err
}

// Rotation implements proxy.PasswordSource.
func (p *Passwords) Rotation(string) *proxy.Rotation { return p.rotation }

// byPAM is what RDS says to a password in place of a token, where it was asked for in
// another way than by AskedToken.
const byPAM = "pam authentication failed"

// explain says why a login with the password was refused; false where that has nothing to
// do with it.
func (p *Passwords) explain(r refusals.Refused, known *refusals.Refusals) (causes.Cause, causes.Told, bool) {
	facts := known.Facts(r)
	if p.Secret != nil {
		last := p.Secret.Last()
		facts["secret"] = p.Secret.ID()
		if facts["version"] = last.Version; !last.Created.IsZero() {
			facts["created"] = last.Created.UTC().Format(time.DateTime + "Z")
		}
	}
	c := causes.SecretRefused
	switch said := strings.ToLower(r.Message); {
	case r.Asked == proxy.AskedToken:
		c = causes.SecretByIAM
	case r.Asked != "":
		c = causes.SecretUnfit
	case strings.Contains(said, byPAM):
		c = causes.SecretByIAM
	case r.SQLState == "28P01" || strings.Contains(said, causes.SecretRefused.Says):
	default:
		return causes.Cause{}, causes.Told{Detail: causes.SecretRefused.Fill(facts).Detail}, false
	}
	return c, c.Fill(facts), true
}
