package credentials

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/smithy-go"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/sharedfiles"
	"github.com/pgkeyless/pgkeyless/internal/shell"
)

// Blamed returns the error in err's chain that says that AWS credentials are
// missing, expired or refused: it has the words of a row of causes.Credentials.
// Such an error is never remembered: the next login asks again.
func Blamed(err error) (*causes.Error, bool) { return causes.Find(err, causes.Credentials()) }

// failure words cause: err came while credentials of profile were retrieved or
// used. s is what was read for it, or nil. Neither err nor the result holds keys,
// or what a credential_process printed.
func failure(profile string, s *settings, cause causes.Cause, more causes.Facts, err error) *causes.Error {
	used := "" // the profile in effect; empty when keys in the environment are
	if cause == causes.NoProfile || !environmentKeys(profile) {
		used = effectiveProfile(profile)
	}
	facts := causes.Facts{"from": "in the environment", "said": said(err), "looked": said(err)}
	if used != "" {
		facts["from"] = fmt.Sprintf("from profile %q", used)
	}
	refused := cause == causes.KeysExpired || cause == causes.KeysUnknown
	_, what, _ := strings.Cut(cause.Message, "]: ")
	switch named := used != "" && namedProfile(profile) != ""; {
	case refused && (used == "" || s.exported()):
		cause, facts["what"] = causes.EnvironmentKeys, what
	case refused:
		keys, over := keysOver(used)
		facts["keys"] = keys.Section("aws_access_key_id")
		if over != "" {
			cause, facts["what"], facts["over"] = causes.ShadowingKeys, what, over
		}
	case used != "" && !named && (cause == causes.NoCredentials || cause == causes.CredentialsFailed || cause == causes.BrokenConfiguration):
		facts["from"] = ""
		if cause != causes.BrokenConfiguration {
			facts["unnamed"] = "and no profile is named"
		}
	}
	if reason, ok := errors.AsType[*causes.Error](err); ok && cause == causes.CredentialsUnreachable {
		facts["why"] = reason.Error()
	}
	if cause == causes.NoCredentials && s != nil {
		facts["looked"] = s.lookedAt()
	}
	facts["profile"], facts["login"] = profileFlag(used), profileFlag(cmp.Or(loginProfile(s), used))
	if e, ok := errors.AsType[*broken](err); ok {
		facts = facts.With(e.facts())
	}
	if e, ok := errors.AsType[*processError](err); ok {
		facts = facts.With(e.facts(used))
	}
	return cause.New(facts.With(more), err)
}

// exported reports whether a profile's credential_source is the environment.
func (s *settings) exported() bool {
	return s != nil && slices.ContainsFunc(s.used, func(p sharedfiles.Section) bool { return p.Get("credential_source") == "Environment" })
}

// keysOver finds the keys that profile's credentials start from, and says what
// else the same profile has that they go before; "" when there is nothing.
func keysOver(profile string) (keys sharedfiles.Section, over string) {
	files := sharedfiles.Read()
	for range 10 { // far more source profiles than anybody has
		s, _ := files.Profile(profile)
		if next := s.Get("source_profile"); s.Get("role_arn") != "" && next != "" && next != profile {
			profile = next
			continue
		}
		if !hasKeys(s) {
			return s, ""
		}
		for _, key := range []string{"credential_process", "sso_session", "sso_start_url", "login_session", "web_identity_token_file", "credential_source"} {
			if s.Get(key) != "" {
				return s, s.Where(key)
			}
		}
		return s, ""
	}
	return sharedfiles.Section{}, ""
}

// loginProfile is the profile that a person logs in to for s, or "": the one that
// it draws from.
func loginProfile(s *settings) (profile string) {
	if s == nil {
		return ""
	}
	for _, p := range s.used {
		if p.Get("sso_start_url") != "" || p.Get("sso_session") != "" || p.Get("login_session") != "" {
			profile = p.Name
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
	if profile == "" || profile == sharedfiles.DefaultProfile {
		return ""
	}
	return "--profile " + shell.Word(profile)
}
