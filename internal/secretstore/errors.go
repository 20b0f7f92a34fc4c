package secretstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/awserror"
	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/iampolicy"
	"github.com/pgkeyless/pgkeyless/internal/partition"
	"github.com/pgkeyless/pgkeyless/internal/shell"
)

func (s *Secret) explain(err error) error {
	if s.cfg.Explain == nil {
		return err
	}
	return s.cfg.Explain(err)
}

// where says for people where was asked.
func (s *Secret) where() string {
	if s.cfg.Profile == "" {
		return s.cfg.Region
	}
	return fmt.Sprintf("%s (profile %s)", s.cfg.Region, s.cfg.Profile)
}

func (s *Secret) facts() causes.Facts {
	example, _ := json.Marshal(map[string]string{"username": s.cfg.User, "password": "…"}) // strings always encode
	return causes.Facts{
		"example": string(example), "secret": display.Line(s.cfg.ID), "where": s.where(), "region": s.cfg.Region, "user": s.cfg.User, "quoted secret": shell.Word(s.cfg.ID),
	}
}

// worded puts the error of a call into words. action is the call's IAM action.
func (s *Secret) worded(action string, err error) error {
	err = s.explain(err)
	if inner, ok := errors.AsType[*causes.Error](err); ok { // of the credentials, or an HTTP proxy
		return causes.Wrap("reading secret "+display.Line(s.cfg.ID), "", inner)
	}
	code, said := awserror.Code(err), display.Line(awserror.Message(err))
	facts := s.facts().With(causes.Facts{"action": action, "code": display.Line(code), "said": said})
	if code == "" {
		facts["said"] = display.Line(awserror.WithoutURL(err).Error())
	}
	switch {
	case awserror.Denied(err):
		return s.denied(facts, err)
	case code == "ResourceNotFoundException":
		return causes.SecretMissing.New(facts, err)
	case code == "InvalidRequestException" && strings.Contains(said, "deletion"):
		return causes.SecretDeleted.New(facts, err)
	case code == "DecryptionFailure":
		return causes.SecretKeyDenied.New(facts.With(s.keyFacts("")), err)
	case code != "":
		return causes.SecretError.New(facts, err)
	case errors.Is(err, context.DeadlineExceeded):
		return causes.SecretUnreachable.New(facts.With(causes.Facts{"said": "no answer in time"}), err)
	}
	return causes.SecretUnreachable.New(facts, err)
}

// denied names the permission that is missing: on the secret, or on the key by which it is
// encrypted, of which Secrets Manager says no more than that.
func (s *Secret) denied(facts causes.Facts, err error) error {
	d, parsed := iampolicy.ParseDenial(facts["said"])
	if parsed {
		facts["identity"] = d.Identity
	}
	if strings.HasPrefix(d.Action, "kms:") || !parsed && strings.Contains(facts["said"], "KMS") {
		return causes.SecretKeyDenied.New(facts.With(s.keyFacts(d.Resource)), err)
	}
	resource := d.Resource
	if !strings.HasPrefix(resource, "arn:") {
		resource = s.cfg.ID
	}
	place := iampolicy.Place{Partition: partition.Of(s.cfg.Region), Region: s.cfg.Region, Account: "*"}
	facts["statement"] = iampolicy.Line(facts["action"], Pattern(place, resource))
	return causes.SecretDenied.New(facts, err)
}

// keyFacts are what is said of the key with this ARN, which may be "".
func (s *Secret) keyFacts(key string) causes.Facts {
	if !strings.HasPrefix(key, "arn:") {
		key = "KEY-ARN"
	}
	return causes.Facts{"statement": iampolicy.Line("kms:Decrypt", key)}
}

// AnySuffix is a pattern for what AWS adds to the name of a secret in its ARN.
//
// Source: Secrets Manager user guide, auth-and-access_iam-policies.html.
const AnySuffix = "-??????"

// suffix is what AWS adds.
var suffix = regexp.MustCompile(`-[A-Za-z0-9]{6}$`)

// Pattern is the ARN of a secret for a policy: of a name, or of an ARN without what AWS
// adds to it, with AnySuffix. IAM compares the whole ARN. A name that ends in a hyphen and
// six letters is taken for a whole one: nothing tells them apart.
func Pattern(place iampolicy.Place, id string) string {
	switch {
	case !strings.HasPrefix(id, "arn:"):
		return place.Secret(id + AnySuffix)
	case strings.HasSuffix(id, AnySuffix), strings.HasSuffix(id, "*"), suffix.MatchString(id):
		return id
	}
	return id + AnySuffix
}

// definite reports whether err is AWS's answer about the secret: the same read fails again
// until somebody changes something there. All else says nothing about what was read before.
func definite(err error) bool {
	for _, c := range []causes.Cause{causes.SecretMissing, causes.SecretDeleted, causes.SecretDenied, causes.SecretKeyDenied, causes.SecretFormat, causes.SecretUser} {
		if causes.Name(err) == c.Name {
			return true
		}
	}
	return false
}

// unanswered reports whether AWS has not said anything about the secret.
func unanswered(err error) bool {
	switch causes.Name(err) {
	case causes.SecretUnreachable.Name, causes.SecretError.Name:
		return true
	}
	return false
}
