package causes

import (
	"fmt"
	"io"
	"testing"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// TestEveryCauseOfAPassword has the rows about the secret of a user, and about what the
// database says to the password in it.
func TestEveryCauseOfAPassword(t *testing.T) {
	const (
		name = "orders/app"
		key  = "arn:aws:kms:eu-central-1:111122223333:key/01234567-89ab-cdef-0123-456789abcdef"
	)
	text := func(user string) string { return fmt.Sprintf(`{"username":%q,"password":%q}`, user, rig.SQLMarker) }
	// reading is a target with the secret, which change changes.
	reading := func(change func(*awsemu.Secret), more func(*awsemu.Emulator)) rig.Setup {
		return rig.Setup{
			Options: []string{"user=" + pgserver.PlainUser, "secret=" + name},
			Faults: func(e *awsemu.Emulator) {
				s := awsemu.Secret{Name: name, Text: text(pgserver.PlainUser)}
				if change != nil {
					change(&s)
				}
				e.PutSecret(s)
				if more != nil {
					more(e)
				}
			},
		}
	}
	policy := func(allowed string) func(*awsemu.Emulator) {
		return func(e *awsemu.Emulator) {
			if err := e.SetPolicy(`{"Statement":[{"Effect":"Allow","Action":["ssm:*","ssmmessages:*"` + allowed + `],"Resource":"*"}]}`); err != nil {
				t.Error(err)
			}
		}
	}
	failing := func(code, message string) func(*awsemu.Emulator) {
		return func(e *awsemu.Emulator) { e.FailNext("GetSecretValue", code, message, -1) }
	}
	refuses := rig.StartFakeDatabase(t, lab.Host, nil)
	refuses.Say("SFATAL", "VFATAL", "C28000", `MPAM authentication failed for user "plain_user"`)
	kerberos := rig.StartFakeDatabase(t, lab.Host, func(c io.ReadWriter) {
		c.Write([]byte{'R', 0, 0, 0, 8, 0, 0, 0, 7})
		c.Read(make([]byte, 1))
	})
	at := func(f *rig.FakeDatabase, s rig.Setup) rig.Setup {
		s.Emulator = func(c *awsemu.Config) { c.Hosts[lab.Endpoint] = f.Address() }
		return s
	}
	soon := reading(nil, nil)
	soon.Flags = []string{"--login-timeout", "15s"} // the password is tried again meanwhile
	unreachable := reading(nil, nil)
	unreachable.Env = func(env []string) []string {
		return append(env, "AWS_ENDPOINT_URL_SECRETS_MANAGER=http://"+rig.ClosedPort, "AWS_MAX_ATTEMPTS=1")
	}
	showCauses(t, causes.Secrets(), map[string]way{
		causes.SecretMissing.Name: {setup: reading(nil, func(e *awsemu.Emulator) { e.RemoveSecret(name) }),
			facts: []string{`getting the password of user "plain_user": secret orders/app does not exist`, "asked in eu-central-1", "list-secrets"}},
		causes.SecretDeleted.Name: {setup: reading(func(s *awsemu.Secret) { s.Deleted = true }, nil), facts: []string{"restore-secret --secret-id orders/app --region eu-central-1"}},
		causes.SecretDenied.Name: {setup: reading(nil, policy("")),
			facts: []string{"as " + lab.ARN, `"Action":"secretsmanager:GetSecretValue","Resource":"arn:aws:secretsmanager:eu-central-1:` + lab.Account + `:secret:orders/app-AbCdEf"`}},
		causes.SecretKeyDenied.Name: {setup: reading(func(s *awsemu.Secret) { s.Key = key }, policy(`,"secretsmanager:*"`)),
			facts: []string{"Access to KMS is not allowed", `"Action":"kms:Decrypt"`}},
		causes.SecretUnreachable.Name: {setup: unreachable, facts: []string{"connection refused", "interface endpoint for secretsmanager in eu-central-1"}},
		causes.SecretError.Name:       {setup: reading(nil, failing("InvalidParameterException", "no")), facts: []string{"InvalidParameterException: no", "secretsmanager:GetSecretValue"}},
		causes.SecretFormat.Name:      {setup: reading(func(s *awsemu.Secret) { s.Text = `{"user":"plain_user"}` }, nil), facts: []string{"it has no username", `{"password":"…","username":"plain_user"}`}},
		causes.SecretUser.Name:        {setup: reading(func(s *awsemu.Secret) { s.Text = text("somebody") }, nil), facts: []string{`is for user "somebody", not for "plain_user"`, "set user=somebody"}},
		causes.NoManagedSecret.Name: {
			setup:  rig.Setup{Databases: rig.OrdersDatabase(nil), Options: []string{"secret=managed"}},
			client: "user=postgres",
			facts:  []string{"instance orders in eu-central-1", "`aws rds modify-db-instance --db-instance-identifier orders --region eu-central-1 --manage-master-user-password --apply-immediately`"},
		},
		causes.SecretRefused.Name: {setup: soon, state: "28P01",
			facts: []string{`as user "plain_user" with the password in secret orders/app, version 00000000-`, "jump host " + lab.Target}},
		causes.SecretByIAM.Name: {setup: at(refuses, reading(nil, nil)), state: "28000", facts: []string{`REVOKE rds_iam FROM "plain_user"`}},
		causes.SecretUnfit.Name: {setup: at(kerberos, reading(nil, nil)), facts: []string{`asks for GSSAPI for user "plain_user", but the secret holds a password`}},
	})
}
