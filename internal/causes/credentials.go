package causes

// SQLSTATE codes in the table.
//
// Source: PostgreSQL 18 docs, errcodes-appendix.html.
const (
	cannotConnect      = "08001" // sqlclient_unable_to_establish_sqlconnection
	rejected           = "08004" // sqlserver_rejected_establishment_of_sqlconnection
	connectionLost     = "08006" // connection_failure
	protocolViolation  = "08P01"
	unsupported        = "0A000"
	invalidLogin       = "28000" // invalid_authorization_specification
	tooManyConnections = "53300"
	shuttingDown       = "57P01"
	notReady           = "57P03" // cannot_connect_now
)

const (
	noCredentials = "no usable AWS credentials[ {from}]: "
	keepRunning   = ", then reconnect; the proxy may keep running"
	tryIdentity   = "`aws sts get-caller-identity[ {profile}]`"
)

// AWS credentials cannot be had, or AWS does not take them.
var (
	NoCredentials = Cause{
		Name: "no-credentials", SQLState: invalidLogin,
		Message: noCredentials + "none found[, {unnamed}]",
		Detail:  "[{looked}]",
		Hint:    "log in with `aws sso login` or `aws login`, or name a profile with --profile or AWS_PROFILE",
		Means:   "the environment, the profile and this machine's role give no credentials",
	}
	NoProfile = Cause{
		Name: "no-profile", SQLState: invalidLogin,
		Message: noCredentials + "there is no such profile",
		Detail:  "[{said}]",
		Hint:    "`aws configure list-profiles` lists the profiles; name one with --profile or AWS_PROFILE",
		Means:   "the profile is in none of the shared files",
	}
	BrokenConfiguration = Cause{
		Name: "broken-aws-configuration", SQLState: invalidLogin,
		Message: noCredentials + "{what}",
		Detail:  "[{where}]",
		Hint:    "{fix}",
		Means:   "a setting in the shared files or the environment is broken: an incomplete profile, or a source_profile, sso_session or file that does not exist",
	}
	SSOExpired = Cause{
		Name: "sso-expired", SQLState: invalidLogin,
		Message: noCredentials + "the SSO session has expired or does not exist",
		Detail:  "[{said}]",
		Hint:    "run `aws sso login[ {login}]`" + keepRunning + " (with --sso-login it opens the browser itself)",
		Means:   "log in again",
	}
	SSORoleRefused = Cause{
		Name: "sso-role-refused", SQLState: invalidLogin,
		Message: noCredentials + "the SSO session gives no access to this account and role",
		Detail:  "[{said}]",
		Hint:    "check sso_account_id and sso_role_name of the profile; `aws sso login[ {login}]` shows who you are logged in as",
		Means:   "the permission set is not assigned to you in that account",
	}
	SSOLoginWaiting = Cause{
		Name: "sso-login-waiting", SQLState: notReady,
		Message: noCredentials + "an SSO login is waiting in the browser",
		Detail:  "open {url} and check that it shows the code {code}",
		Hint:    "finish the login in the browser, then reconnect",
		Means:   "`--sso-login` started a login, and the client did not wait until it was finished",
	}
	SSOLoginFailed = Cause{
		Name: "sso-login-failed", SQLState: invalidLogin,
		Message: noCredentials + "the SSO login in the browser failed",
		Detail:  "[{said}]",
		Hint:    "reconnect to start another login, or run `aws sso login[ {login}]`",
		Means:   "the login was denied, could not start, or was not finished before its code expired",
	}
	LoginExpired = Cause{
		Name: "login-expired", SQLState: invalidLogin,
		Message: noCredentials + "the login session has expired or does not exist",
		Detail:  "[{said}]",
		Hint:    "run `aws login[ {login}]`" + keepRunning,
		Means:   "log in again",
	}
	KeysExpired = Cause{
		Name: "keys-expired", SQLState: invalidLogin,
		Message: noCredentials + "they have expired",
		Detail:  "[{said}]",
		Hint:    "log in again or renew the keys of the profile[, which are in {keys}]" + keepRunning,
		Means:   "temporary keys have expired",
	}
	KeysUnknown = Cause{
		Name: "keys-unknown", SQLState: invalidLogin,
		Message: noCredentials + "AWS does not know these keys",
		Detail:  "[{said}]",
		Hint:    "log in again or renew the keys of the profile[, which are in {keys}]" + keepRunning,
		Means:   "the keys were deleted, or belong to another partition",
	}
	ShadowingKeys = Cause{
		Name: "shadowing-keys", SQLState: invalidLogin,
		Message: noCredentials + "{what}, and override the profile's {over}",
		Detail:  "the keys are in {keys}[; {said}]",
		Hint:    "remove aws_access_key_id, aws_secret_access_key and aws_session_token from {keys}: keys override every other source of a profile",
		Means:   "the profile has old keys, often in the credentials file, that override its credential_process, SSO or login",
	}
	EnvironmentKeys = Cause{
		Name: "environment-keys", SQLState: invalidLogin,
		Message: noCredentials + "{what}",
		Detail:  "[{said}]",
		Final:   true,
		Hint:    "keys in the environment override AWS_PROFILE and cannot be renewed: unset AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or export new ones, and start again",
		Means:   "exported keys have expired or are unknown to AWS; they override AWS_PROFILE, but not --profile",
	}
	SignatureRefused = Cause{
		Name: "signature-refused", SQLState: invalidLogin,
		Message: noCredentials + "AWS rejects their signature",
		Detail:  "[{said}]",
		Hint:    "check this machine's clock, then the secret key",
		Means:   "this machine's clock or the secret key is wrong",
	}
	RoleRefused = Cause{
		Name: "role-refused", SQLState: invalidLogin,
		Message: noCredentials + "the role cannot be assumed",
		Detail:  "[{said}]",
		Hint:    "the profile's source identity needs sts:AssumeRole on the role, and the role must trust that identity; try " + tryIdentity,
		Means:   "a policy or the role's trust policy does not allow it",
	}
	PersonRoleRefused = Cause{
		Name: "person-role-refused", SQLState: invalidLogin,
		Message: "role {role} cannot be assumed for this client",
		Detail:  "session name {session}[; {said}]",
		Hint:    "allow the identity that pgkeyless runs with sts:AssumeRole and sts:SetSourceIdentity on the role, also in the role's trust policy",
		Means:   "a `role-arn` under `users:` that the proxy's own identity may not assume, or not with a source identity",
	}
	MFAUnanswerable = Cause{
		Name: "mfa-unanswerable", SQLState: invalidLogin,
		Message: noCredentials + "the role requires an MFA code, and there is no terminal or mfa-command to get it from",
		Detail:  "[{said}]",
		Hint:    "start pgkeyless on a terminal, or give --mfa-command CMD, which prints the code",
		Means:   "a role with MFA needs a person or a command that gives the code",
	}
	MFARefused = Cause{
		Name: "mfa-refused", SQLState: invalidLogin,
		Message: noCredentials + "the MFA code was not accepted",
		Detail:  "[{said}]",
		Hint:    "reconnect to be asked again; a code works once, so wait for the next one",
		Means:   "a mistyped, reused or expired code, or a device with a wrong clock",
	}
	MFAUnanswered = Cause{
		Name: "mfa-unanswered", SQLState: invalidLogin,
		Message: noCredentials + "no MFA code was given",
		Detail:  "[{said}]",
		Hint:    "type the six-digit code on the terminal where pgkeyless runs, or check what the mfa-command prints, then reconnect",
		Means:   "nobody answered on the terminal, or the command failed",
	}
	MFAWaiting = Cause{
		Name: "mfa-waiting", SQLState: notReady,
		Message: noCredentials + "waiting for an MFA code",
		Detail:  "asked for {device}",
		Hint:    "type the code on the terminal where pgkeyless runs, then reconnect",
		Means:   "the client did not wait until the code was typed",
	}
	CredentialProcess = Cause{
		Name: "credential-process", SQLState: invalidLogin,
		Message: noCredentials + "credential_process[ {owner}] returned none",
		Detail:  "[{said}][; its stderr ends with: {stderr}]",
		Hint:    "[{fix}; ]run {process} by hand; it must print only its JSON and exit 0",
		Means:   "the profile's command failed or printed something else",
	}
	CredentialsUnreachable = Cause{
		Name: "credentials-unreachable", SQLState: invalidLogin,
		Message: noCredentials + "the service that issues them cannot be reached[: {why}]",
		Detail:  "[{said}]",
		Hint:    "check the network, HTTPS_PROXY and AWS_CA_BUNDLE" + keepRunning,
		Means:   "STS, SSO or the sign-in service cannot be reached",
	}
	CredentialsSlow = Cause{
		Name: "credentials-slow", SQLState: notReady,
		Message: noCredentials + "no answer in time",
		Detail:  "[{said}]",
		Hint:    "check the network, HTTPS_PROXY and AWS_CA_BUNDLE" + keepRunning,
		Means:   "STS, SSO or a credential_process takes too long",
	}
	CredentialsFailed = Cause{
		Name: "credentials-failed", SQLState: invalidLogin,
		Message: noCredentials + "{said}",
		Hint:    tryIdentity + " tries the same credentials; with SSO, `aws sso login[ {login}]` renews them",
		Means:   "any other error of the AWS SDK",
	}
)

// Credentials are the rows of this file.
func Credentials() []Cause {
	return []Cause{
		NoCredentials, NoProfile, BrokenConfiguration, SSOExpired, SSORoleRefused, SSOLoginWaiting, SSOLoginFailed,
		LoginExpired, KeysExpired, KeysUnknown, ShadowingKeys, EnvironmentKeys, SignatureRefused, RoleRefused, PersonRoleRefused,
		MFAUnanswerable, MFARefused, MFAUnanswered, MFAWaiting, CredentialProcess,
		CredentialsUnreachable, CredentialsSlow, CredentialsFailed,
	}
}
