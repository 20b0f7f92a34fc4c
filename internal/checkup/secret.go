package checkup

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/doctor"
	"github.com/pgkeyless/pgkeyless/internal/iampolicy"
	"github.com/pgkeyless/pgkeyless/internal/secretstore"
	"github.com/pgkeyless/pgkeyless/internal/targets"
)

// What RDS says of the secret that it keeps.
//
// Source: RDS API reference, API_MasterUserSecret.html.
const (
	secretCreating = "creating"
	secretRotating = "rotating"
	secretImpaired = "impaired"
)

// PasswordUser is whose password the target's secret has, once WalkPath has found that out;
// else "".
func (c *Checkup) PasswordUser() string {
	if c.passwords == nil {
		return ""
	}
	return c.passwords.User
}

// byPassword reports whether the login is one with a password.
func (c *Checkup) byPassword() bool { return c.passwords.Has(c.user) }

// findPasswords finds out which secret the target's is, and takes its user where nobody
// has named another: that is whom the secret is for.
func (c *Checkup) findPasswords(ctx context.Context) error {
	if c.target.Secret == "" {
		return nil
	}
	if c.target.Managed() {
		ctx, cancel := context.WithTimeout(ctx, askTimeout)
		defer cancel()
		found, err := c.login.Described(ctx, c.target)
		if err != nil {
			return err
		}
		c.login, c.found = found, found.Database.Kind != 0
	}
	var err error
	if c.passwords, err = c.wiring.Passwords(c.target, c.login); err != nil {
		return err
	}
	if !c.named {
		c.user, c.named = c.passwords.User, true
	}
	return nil
}

// secret looks at the secret with the password of the user who logs in. Without one there
// is no such link.
func (c *Checkup) secret(ctx context.Context) {
	if c.target.Secret == "" {
		return
	}
	c.walk.Begin(doctor.Secret)
	if c.passwordsErr != nil {
		c.fail(c.passwordsErr)
		return
	}
	if !c.byPassword() {
		c.walk.LeaveOut(fmt.Sprintf("the secret is for %s; %s logs in with an IAM token", c.passwords.User, c.user))
		return
	}
	login, err := c.readSecret(ctx)
	if err != nil {
		c.fail(err, c.managedState()...)
		return
	}
	text := cmp.Or(login.ARN, c.passwords.Secret().ID()) + ", password of " + c.user
	if !login.Created.IsZero() {
		text += ", stored " + login.Created.UTC().Format(time.DateTime+"Z")
	}
	notes := c.managedState()
	if host := strings.ToLower(login.Host); host != "" && host != c.login.Endpoint.Host {
		notes = append(notes, "the secret says that it is for "+display.Line(login.Host)+"; pgkeyless takes its username and password only")
	}
	notes = append(notes, c.keyNote(ctx)...)
	switch c.login.Database.Secret.Status {
	case secretImpaired:
		c.walk.Warn(text, fmt.Sprintf("RDS cannot keep or rotate this password: check that its KMS key is enabled and that the key's policy lets RDS use it, then rotate it: `%s --rotate-master-user-password --apply-immediately`",
			c.login.Database.ManageSecret()), notes...)
	case secretCreating, secretRotating:
		c.walk.Warn(text, "wait a minute, then run doctor again", notes...)
	default:
		c.walk.OK(text, notes...)
	}
}

// readSecret reads it.
func (c *Checkup) readSecret(ctx context.Context) (secretstore.Login, error) {
	if c.passwords.Secret() == nil {
		_, err := c.passwords.Password(ctx, c.user)
		return secretstore.Login{}, err
	}
	login, err := c.passwords.Secret().Login(ctx)
	c.secretARN = cmp.Or(c.secretARN, login.ARN)
	return login, err
}

// managedState is a note of what RDS says of the secret, where it keeps it.
func (c *Checkup) managedState() []string {
	status := c.login.Database.Secret.Status
	if !c.target.Managed() || status == "" {
		return nil
	}
	note := "RDS says that its state is " + status
	if status == secretRotating {
		note += ": for about a minute, the secret may have another password than the database"
	}
	return []string{note}
}

// keyNote says which key encrypts the secret, where the credentials may ask.
func (c *Checkup) keyNote(ctx context.Context) []string {
	ctx, cancel := context.WithTimeout(ctx, evidenceTimeout)
	defer cancel()
	if c.describeSecret(ctx); !c.keyKnown {
		return nil
	}
	if c.secretKey == "" {
		return []string{"encrypted with the AWS managed key aws/secretsmanager"}
	}
	return []string{"encrypted with the customer managed key " + c.secretKey}
}

// describeSecret asks which key encrypts the secret, once. Nothing depends on it.
func (c *Checkup) describeSecret(ctx context.Context) {
	if c.keyKnown || c.passwords == nil || c.passwords.Secret() == nil {
		return
	}
	if d, err := c.passwords.Secret().Describe(ctx); err == nil {
		c.keyKnown, c.secretKey, c.secretARN = true, keyARN(d), d.ARN
	}
}

// keyARN is the ARN of a secret's own key, by its id where that is known: of an alias it
// is a pattern for all keys of the account.
func keyARN(d secretstore.Description) string {
	key := d.Key
	_, named, isARN := strings.Cut(key, ":key/")
	switch {
	case key == "" || isARN && named != "":
		return key
	case strings.Contains(key, "alias/"):
		key = "*"
	}
	parts := strings.SplitN(d.ARN, ":", 6)
	if len(parts) < 6 {
		return ""
	}
	return iampolicy.Place{Partition: parts[1], Region: parts[3], Account: parts[4]}.Key(key)
}

// secretPart is that the secret can be read.
func (c *Checkup) secretPart(ctx context.Context) []Part {
	if c.target.Secret == "" {
		return nil
	}
	what := "secret " + c.target.Secret
	if c.passwordsErr != nil {
		return []Part{{NotKnown, what, display.Line(c.passwordsErr.Error()), causes.Hint(c.passwordsErr)}}
	}
	if !c.byPassword() {
		return nil
	}
	login, err := c.readSecret(ctx)
	switch {
	case is(err, causes.SecretUnreachable, causes.SecretError):
		return []Part{{NotKnown, what, display.Line(err.Error()), causes.Hint(err)}}
	case err != nil:
		return []Part{{Missing, what, display.Line(err.Error()), causes.Hint(err)}}
	}
	return []Part{{InPlace, what, "has the password of " + cmp.Or(login.Username, c.user), ""}}
}

// trouble is targets.Trouble.
func (c *Checkup) trouble() error { return targets.Trouble(c.target, c.login.Database) }
