package causes

const (
	// secretRead is the DETAIL of a secret that could not be read.
	secretRead = `for user "{user}", asked in {where}[, as {identity}]`
	// withSecret is the DETAIL of a login by a secret's password that is refused.
	withSecret = `tried to log in to {database} as user "{user}" with the password in secret {secret}[, version {version} of {created}][, jump host {jump host}]`
)

// The password of a user, which a secret of Secrets Manager has (option secret).
//
// Sources: Secrets Manager API reference, API_GetSecretValue.html; RDS user guide,
// rds-secrets-manager.html.
var (
	SecretMissing = Cause{
		Name: "secret-missing", SQLState: invalidLogin, Stale: true,
		Message: "secret {secret} does not exist, or has no current version",
		Detail:  secretRead,
		Hint:    "check its name (`aws secretsmanager list-secrets --region {region}`); for a secret of another region or account, give its ARN",
		Means:   "the option `secret` names no secret, or one of another region or account",
	}
	SecretDeleted = Cause{
		Name: "secret-deleted", SQLState: invalidLogin, Stale: true,
		Message: "secret {secret} is marked for deletion",
		Detail:  secretRead,
		Hint:    "restore it: `aws secretsmanager restore-secret --secret-id {quoted secret} --region {region}`, or name another secret",
		Means:   "the secret is scheduled for deletion, and can still be restored",
	}
	SecretDenied = Cause{
		Name: "secret-denied", SQLState: invalidLogin,
		Message: "reading secret {secret}: access denied: {said}",
		Detail:  secretRead,
		Hint:    "allow it in the identity's policies, as {statement}; a secret of another account also needs a resource policy that allows it",
		Means:   "the identity may not read the secret",
	}
	SecretKeyDenied = Cause{
		Name: "secret-key-denied", SQLState: invalidLogin,
		Message: "reading secret {secret}: its KMS key cannot be used: {said}",
		Detail:  secretRead,
		Hint: "allow it in the identity's policies and in the key's policy, as {statement}, and check that the key is enabled; " +
			"a secret of another account must be encrypted with a customer managed key",
		Means: "the secret is encrypted with a customer managed KMS key, which the identity may not use",
	}
	SecretUnreachable = Cause{
		Name: "secret-unreachable", SQLState: cannotConnect,
		Message: "reading secret {secret}: {said}",
		Detail:  secretRead,
		Hint: "check this machine's network, HTTPS_PROXY and NO_PROXY; without internet access, it needs an interface endpoint for secretsmanager in {region} " +
			"(if that has no private DNS name, set AWS_ENDPOINT_URL_SECRETS_MANAGER)",
		Means: "pgkeyless cannot reach Secrets Manager: no network, no DNS, or a proxy in between",
	}
	SecretError = Cause{
		Name: "secret-error", SQLState: cannotConnect,
		Message: "reading secret {secret}: {code}: {said}",
		Detail:  secretRead,
		Hint:    "reconnect in a moment; if it persists, look up this error of {action} in the API reference",
		Means:   "any other error of Secrets Manager, such as throttling",
	}
	SecretFormat = Cause{
		Name: "secret-format", SQLState: invalidLogin,
		Message: "secret {secret} is not a valid login: {said}",
		Detail:  secretRead,
		Hint:    "store a JSON object with username and password, as {example}, or the bare password",
		Means:   "the secret is neither a JSON object with username and password, nor a password",
	}
	SecretUser = Cause{
		Name: "secret-other-user", SQLState: invalidLogin,
		Message: `secret {secret} is for user "{username}", not for "{user}"`,
		Detail:  secretRead,
		Hint:    `set user={username}, or name the secret of "{user}"; names are case-sensitive`,
		Means:   "the username in the secret is not the target's `user`",
	}
	NoManagedSecret = Cause{
		Name: "no-managed-secret", SQLState: invalidLogin, Stale: true,
		Message: "RDS keeps no secret for the master user of {database}",
		Detail:  "the target has secret=managed",
		Hint:    "let RDS manage the password, which replaces the present one: `{command} --manage-master-user-password --apply-immediately`; or name a secret of your own: secret=NAME and user=NAME",
		Means:   "`secret=managed`, and the master user's password is not in Secrets Manager",
	}
	SecretRefused = Cause{
		Name: "secret-refused", Says: "password authentication failed",
		Detail: withSecret,
		Hint: "the secret and the database have different passwords, or there is no such user (names are case-sensitive): during a rotation, reconnect in a minute; " +
			"otherwise rotate the secret, or store the right password in it (`pgkeyless doctor` shows the state of a managed secret)",
		Means: "the database refuses the password, even after pgkeyless has read the secret again",
	}
	SecretByIAM = Cause{
		Name: "secret-user-by-iam", SQLState: invalidLogin,
		Message: `{database} asks for {asked} for user "{user}"`,
		Detail:  withSecret,
		Hint: "the user is probably granted rds_iam, so its password does not work: remove the option secret, so that the user logs in with IAM tokens, " +
			"or run as the master user: REVOKE rds_iam FROM {quoted user}; with an RDS Proxy, check that its IAMAuth for this user is DISABLED",
		Means: "the database or the RDS Proxy asks for an IAM token, and the option `secret` gives this user a password",
	}
	SecretUnfit = Cause{
		Name: "secret-unfit", SQLState: invalidLogin,
		Message: `{database} asks for {asked} for user "{user}", but the secret holds a password`,
		Detail:  withSecret,
		Hint: "with a password, pgkeyless can answer SCRAM-SHA-256, MD5 and clear text: set up one of these for the user; " +
			"a certificate signed with Ed25519 has no channel binding, so the database must also offer SCRAM-SHA-256 without -PLUS",
		Means: "the database asks for Kerberos, GSSAPI or the like, or requires channel binding, which its certificate does not allow",
	}
)

// Secrets are the rows of this file.
func Secrets() []Cause {
	return []Cause{
		SecretMissing, SecretDeleted, SecretDenied, SecretKeyDenied, SecretUnreachable, SecretError, SecretFormat, SecretUser,
		NoManagedSecret, SecretRefused, SecretByIAM, SecretUnfit,
	}
}
