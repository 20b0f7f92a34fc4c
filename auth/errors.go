package auth

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go"

	"github.com/pgkeyless/pgkeyless/internal/causes"
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

	cause  causes.Cause
	facts  causes.Facts // of the cause, beside those of the profile
	login  string       // the profile to log in with: Profile, or the one it draws from
	named  bool         // somebody asked for Profile; otherwise it is the SDK's default
	looked string       // where, in words, when nothing was found
}

// told is e's row of the table, filled in.
func (e *CredentialsError) told() causes.Told {
	facts := causes.Facts{
		"from":    "in the environment",
		"profile": strings.TrimSpace(profileFlag(e.Profile)),
		"login":   strings.TrimSpace(profileFlag(e.login)),
		"looked":  cmp.Or(e.looked, oneLine(e.Err)),
		"said":    oneLine(e.Err),
	}
	if e.Profile != "" {
		facts["from"] = fmt.Sprintf("from profile %q", e.Profile)
	}
	if (e.cause.Name == causes.NoCredentials.Name || e.cause.Name == causes.CredentialsFailed.Name) && e.Profile != "" && !e.named {
		facts["from"], facts["unnamed"] = "", "and no profile is named"
	}
	return e.cause.Fill(facts.With(e.facts))
}

func (e *CredentialsError) Error() string { return e.told().Message }
func (e *CredentialsError) Unwrap() error { return e.Err }

// SQLState is 28000, invalid_authorization_specification; 57P03 when it only
// takes time.
func (e *CredentialsError) SQLState() string { return e.told().SQLState }

// Detail is where credentials were looked for when none were found, else what
// the SDK said, on one line.
func (e *CredentialsError) Detail() string { return e.told().Detail }

// Hint says what to do next.
func (e *CredentialsError) Hint() string { return e.told().Hint }

// Cause names the row of the causes table that e's words are from.
func (e *CredentialsError) Cause() string { return e.cause.Name }

// oneLine returns what err says on one line without control characters, cut to
// 400 characters. Of an answer by AWS only the first line counts: those after it
// may repeat the request. That the SDK keeps credentials is left out.
func oneLine(err error) string {
	if err == nil {
		return ""
	}
	line := err.Error()
	if _, ok := errors.AsType[smithy.APIError](err); ok {
		line, _, _ = strings.Cut(line, "\n")
		line, _, _ = strings.Cut(line, "The Canonical String")
	}
	line = strings.TrimPrefix(line, "failed to refresh cached credentials, ")
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
