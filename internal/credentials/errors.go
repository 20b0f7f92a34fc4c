package credentials

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/shell"
)

// Blamed returns the error in err's chain that says that AWS credentials are
// missing, expired or refused: it has the words of a row of causes.Credentials.
// Such an error is never remembered: the next login asks again.
func Blamed(err error) (*causes.Error, bool) { return causes.Find(err, causes.Credentials()) }

// failure words cause: err came while credentials of profile were retrieved or
// used. shared is what was read of the profile, or nil. Neither err nor the
// result holds keys, or what a credential_process printed.
func failure(profile string, shared *config.SharedConfig, cause causes.Cause, more causes.Facts, err error) *causes.Error {
	err = withoutOutput(err)
	used := "" // the profile in effect; empty when keys in the environment are
	if cause == causes.NoProfile || !environmentKeys(profile) {
		used = effectiveProfile(profile)
	}
	facts := causes.Facts{"from": "in the environment", "said": said(err), "looked": said(err)}
	if used != "" {
		facts["from"] = fmt.Sprintf("from profile %q", used)
	}
	switch named := used != "" && namedProfile(profile) != ""; {
	case used == "" && (cause == causes.KeysExpired || cause == causes.KeysUnknown):
		_, what, _ := strings.Cut(cause.Message, "]: ")
		cause, facts["what"] = causes.EnvironmentKeys, what
	case used != "" && !named && (cause == causes.NoCredentials || cause == causes.CredentialsFailed):
		facts["from"], facts["unnamed"] = "", "and no profile is named"
	}
	if cause == causes.NoCredentials && shared != nil {
		facts["looked"] = lookedAt(profile, used, shared)
	}
	facts["profile"], facts["login"] = profileFlag(used), profileFlag(cmp.Or(loginProfile(shared), used))
	return cause.New(facts.With(more), err)
}

// loginProfile is the profile that a person logs in to for shared, or "": the one
// that it draws from.
func loginProfile(shared *config.SharedConfig) (profile string) {
	for s := shared; s != nil; s = s.Source {
		if s.SSOStartURL != "" || s.SSOSessionName != "" || s.LoginSession != "" {
			profile = s.Profile
		}
	}
	return profile
}

// said is what err says, on one line. Of an answer by AWS only the first line
// counts: those after it may repeat the request. That the SDK keeps credentials is
// left out.
func said(err error) string {
	text := err.Error()
	if _, ok := errors.AsType[smithy.APIError](err); ok {
		text, _, _ = strings.Cut(text, "\n")
		text, _, _ = strings.Cut(text, "The Canonical String")
	}
	return display.Line(strings.TrimPrefix(text, "failed to refresh cached credentials, "))
}

// profileFlag is "--profile NAME" as a shell wants it, or empty for the
// default profile.
func profileFlag(profile string) string {
	if profile == "" || profile == config.DefaultSharedConfigProfile {
		return ""
	}
	return "--profile " + shell.Word(profile)
}
