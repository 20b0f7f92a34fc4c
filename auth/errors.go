package auth

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go"
)

// ConfigError is a setting that cannot work: it is found before anything is
// dialled and stays until the setting changes.
type ConfigError struct {
	Err  error
	Help string // what to do
}

func (e *ConfigError) Error() string { return e.Err.Error() }
func (e *ConfigError) Unwrap() error { return e.Err }

// Hint says what to do next.
func (e *ConfigError) Hint() string { return e.Help }

// CredentialsError says that AWS credentials are missing, expired or refused.
// It is never remembered: the next login asks again.
type CredentialsError struct {
	Profile string // the profile in effect; empty when keys in the environment are
	Err     error  // the SDK's error; never holds keys or the output of a credential_process

	reason reason
	login  string // the profile to log in with: Profile, or the one it draws from
	named  bool   // somebody asked for Profile; otherwise it is the SDK's default
	looked string // where, in words, when nothing was found
}

// reason is why there are no credentials.
type reason int

const (
	reasonOther reason = iota
	reasonNone
	reasonNoProfile
	reasonBroken
	reasonSSO
	reasonSSORole
	reasonLogin
	reasonExpired
	reasonRefused
	reasonClock
	reasonAssumeRole
	reasonMFA
	reasonProcess
	reasonUnreachable
	reasonSlow
)

var reasonTexts = map[reason]string{
	reasonNone:        "none found",
	reasonNoProfile:   "there is no such profile",
	reasonBroken:      "the shared configuration cannot be read",
	reasonSSO:         "the SSO session has expired or does not exist",
	reasonSSORole:     "the SSO session gives no access to this account and role",
	reasonLogin:       "the login session has expired or does not exist",
	reasonExpired:     "they have expired",
	reasonRefused:     "AWS does not know these keys",
	reasonClock:       "AWS refuses their signature",
	reasonAssumeRole:  "the role cannot be assumed",
	reasonMFA:         "the role wants an MFA code, which pgkeyless cannot ask for",
	reasonProcess:     "credential_process gave none",
	reasonUnreachable: "the service that gives them cannot be reached",
	reasonSlow:        "no answer in time",
}

func (e *CredentialsError) Error() string {
	from := "in the environment"
	if e.reason == reasonNone && e.Profile != "" && !e.named {
		return "no usable AWS credentials: none found, and no profile is named"
	}
	if e.Profile != "" {
		from = fmt.Sprintf("from profile %q", e.Profile)
	}
	if text, ok := reasonTexts[e.reason]; ok {
		return fmt.Sprintf("no usable AWS credentials %s: %s", from, text)
	}
	return fmt.Sprintf("no usable AWS credentials %s: %s", from, oneLine(e.Err))
}

func (e *CredentialsError) Unwrap() error { return e.Err }

// SQLState is 28000, invalid_authorization_specification; 57P03 when the answer
// only took too long.
func (e *CredentialsError) SQLState() string {
	if e.reason == reasonSlow {
		return "57P03"
	}
	return "28000"
}

// Detail is where credentials were looked for when none were found, else what
// the SDK said, on one line.
func (e *CredentialsError) Detail() string {
	if e.looked != "" {
		return e.looked
	}
	if e.reason == reasonOther { // Error has said it
		return ""
	}
	return oneLine(e.Err)
}

// Hint says what to do next.
func (e *CredentialsError) Hint() string {
	const keepRunning = ", then reconnect; the proxy may keep running"
	profile := profileFlag(e.Profile)
	switch e.reason {
	case reasonNone:
		return "log in with `aws sso login` or `aws login`, or name a profile with --profile or AWS_PROFILE"
	case reasonNoProfile:
		return "`aws configure list-profiles` prints the profiles there are; name one with --profile or AWS_PROFILE"
	case reasonBroken:
		return "mend the shared config and credentials files (~/.aws/config, ~/.aws/credentials, or where AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE point)"
	case reasonSSO:
		return "run `aws sso login" + profileFlag(e.login) + "`" + keepRunning
	case reasonSSORole:
		return "check sso_account_id and sso_role_name of the profile; `aws sso login" + profileFlag(e.login) + "` shows as whom you are logged in"
	case reasonLogin:
		return "run `aws login" + profileFlag(e.login) + "`" + keepRunning
	case reasonExpired, reasonRefused:
		if e.Profile == "" {
			return "keys exported in the environment go before any profile and are not refreshed: unset AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or export new ones, and start again"
		}
		return "log in again or renew the keys of the profile" + keepRunning
	case reasonClock:
		return "check this machine's clock, then the secret key"
	case reasonAssumeRole:
		return "the profile's source identity needs sts:AssumeRole on the role, and the role must trust that identity; try `aws sts get-caller-identity" + profile + "`"
	case reasonMFA:
		return "run `eval \"$(aws configure export-credentials" + profile + " --format env)\"`, which asks for the code, and start again without --profile"
	case reasonProcess:
		return "run the profile's credential_process by hand; it must print its JSON and exit 0"
	case reasonUnreachable, reasonSlow:
		return "check the network, HTTPS_PROXY and AWS_CA_BUNDLE, then reconnect; the proxy may keep running"
	}
	return "`aws sts get-caller-identity" + profile + "` tries the same credentials"
}

// oneLine returns what err says on one line without control characters, cut to
// 400 characters. Of an answer by AWS only the first line counts: those after it
// may repeat the request.
func oneLine(err error) string {
	if err == nil {
		return ""
	}
	line := err.Error()
	if _, ok := errors.AsType[smithy.APIError](err); ok {
		line, _, _ = strings.Cut(line, "\n")
	}
	line = strings.Join(strings.Fields(line), " ")
	line = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, line)
	if runes := []rune(line); len(runes) > 400 {
		line = string(runes[:400]) + "…"
	}
	return line
}

// profileFlag is " --profile NAME" as a shell wants it, or empty for the
// default profile.
func profileFlag(profile string) string {
	if profile == "" || profile == config.DefaultSharedConfigProfile {
		return ""
	}
	plain := func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("-_./+@:", r)
	}
	if strings.IndexFunc(profile, func(r rune) bool { return !plain(r) }) >= 0 {
		profile = "'" + strings.ReplaceAll(profile, "'", `'\''`) + "'"
	}
	return " --profile " + profile
}
