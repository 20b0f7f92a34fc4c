package targets

import (
	"cmp"
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
	User    string          // who logs in with it
	held    *held           // nil where there is no secret
	address string          // of the database
	missing error           // why there is no secret
	alone   *proxy.Rotation // where there is none; else held has it
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

// needless is an error where t has the option secret, and l's database no user with a
// password.
func needless(t config.Target, l Login) error {
	why := noPasswords(t, l)
	if why == "" {
		return nil
	}
	hint := "leave out secret, or name a secret of Secrets Manager: secret=NAME and user=NAME"
	if l.Endpoint.Kind == auth.KindDSQL || l.Database.Express {
		hint = "leave out secret: all users log in with IAM tokens"
	}
	return causes.Misuse("target \""+t.Name+"\" has the option secret: "+why, hint)
}

// noManagedSecret is the error of secret=managed where RDS keeps none for l's database.
func noManagedSecret(l Login) error {
	return causes.NoManagedSecret.New(causes.Facts{"database": l.Database.String(), "command": l.Database.ManageSecret()}, nil)
}

// regionOf is where the secret id is read: in the region that its ARN names, or else in
// that of l's database.
func regionOf(id string, l Login) string { return cmp.Or(secretstore.RegionOf(id), l.Endpoint.Region) }

// Passwords returns those of t's database, which is l's; nil where all users log in with
// tokens.
func (w *Wiring) Passwords(t config.Target, l Login) (*Passwords, error) {
	if t.Secret == "" {
		return nil, nil
	}
	if err := needless(t, l); err != nil {
		return nil, err
	}
	p := &Passwords{User: t.User, address: l.Endpoint.Address()}
	id := t.Secret
	if t.Managed() {
		if p.User == "" {
			p.User = l.Database.MasterUser
		}
		if id = l.Database.Secret.ARN; id == "" {
			p.missing, p.alone = noManagedSecret(l), proxy.NewRotation()
			return p, nil
		}
	}
	region := regionOf(id, l)
	key := secretKey{t.Profile, region, id, p.User, l.person}
	w.mu.Lock()
	defer w.mu.Unlock()
	h, ok := w.secrets[key]
	if !ok {
		h = hold(secretstore.New(secretstore.Config{
			ID: id, Region: region, API: secretstore.NewAPI(l.AWS, region), Credentials: l.AWS.Credentials, User: p.User, Profile: t.Profile,
			Explain: func(err error) error {
				err = credentials.Explain(t.Profile, err)
				if _, blamed := credentials.Blamed(err); blamed {
					credentials.Reread(l.AWS.Credentials)
				}
				return err
			},
		}))
		w.secrets[key] = h
	}
	p.held = h
	return p, nil
}

// Secret is where the password is from; nil where there is none.
func (p *Passwords) Secret() *secretstore.Secret {
	if p.held == nil {
		return nil
	}
	return p.held.Load().Secret
}

// name is the secret's, "" where there is none.
func (p *Passwords) name() string {
	if p.held == nil {
		return ""
	}
	return p.Secret().ID()
}

// Has implements proxy.PasswordSource.
func (p *Passwords) Has(user string) bool { return p != nil && user == p.User }

// Password implements proxy.PasswordSource.
func (p *Passwords) Password(ctx context.Context, _ string) (proxy.Password, error) {
	if p.held == nil {
		return proxy.Password{}, p.missing
	}
	login, err := p.Secret().Login(ctx)
	return login.Password, err
}

// Renew implements proxy.PasswordSource.
func (p *Passwords) Renew(ctx context.Context, _ string, refused proxy.Password) (proxy.Password, error) {
	if p.held == nil {
		return proxy.Password{}, p.missing
	}
	login, err := p.Secret().Renew(ctx, refused)
	return login.Password, err
}

// Rotation implements proxy.PasswordSource.
func (p *Passwords) Rotation(string) *proxy.Rotation {
	if p.held == nil {
		return p.alone
	}
	return p.held.Load().rotation(p.address)
}

// byPAM is what RDS says to a password in place of a token, where it was asked for in
// another way than by AskedToken.
const byPAM = "pam authentication failed"

// explain says why a login with the password was refused; false where that has nothing to
// do with it.
func (p *Passwords) explain(r refusals.Refused, known *refusals.Refusals) (causes.Cause, causes.Told, bool) {
	facts := known.Facts(r)
	if s := p.Secret(); s != nil {
		last := s.Last()
		facts["secret"] = s.ID()
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
