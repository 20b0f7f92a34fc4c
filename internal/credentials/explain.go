package credentials

import (
	"cmp"
	"context"
	"errors"
	"os"
	"strings"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/sharedfiles"
)

// Explain turns the error of an AWS call made with a profile's credentials into
// one that blames them (see Blamed) where they are to blame, and returns every
// other error, nil among them, as it is.
func Explain(profile string, err error) error {
	if err == nil {
		return nil
	}
	if known, ok := Blamed(err); ok {
		return known
	}
	switch c := CauseOf(err); c {
	case causes.CredentialsFailed, causes.CredentialsSlow: // a call that ran out of time had its credentials
		return err
	default:
		return failure(profile, nil, c, nil, err)
	}
}

// CauseOf sorts an SDK error. The SDK has types for some failures and only
// words for others; the words are pinned by tests that run the SDK.
func CauseOf(err error) causes.Cause {
	if _, ok := errors.AsType[*broken](err); ok {
		return causes.BrokenConfiguration
	}
	if _, ok := errors.AsType[*noProfileError](err); ok {
		return causes.NoProfile
	}
	if errors.Is(err, ErrNobodyToAsk) {
		return causes.MFAUnanswerable
	}
	if _, ok := errors.AsType[*errNoCode](err); ok {
		return causes.MFAUnanswered
	}
	if errors.Is(err, errNeedsCode) {
		return causes.MFAUnanswerable
	}
	if _, ok := errors.AsType[*processError](err); ok {
		return causes.CredentialProcess
	}
	if _, ok := errors.AsType[*ssoTokenError](err); ok {
		return causes.SSOExpired
	}
	if c := causeOfCall(err); c != causes.CredentialsFailed {
		return c
	}
	// Files of `aws login` that are missing, unreadable or too old: the SDK has no
	// types for these.
	switch text := err.Error(); {
	case strings.Contains(text, "load login token"), strings.Contains(text, "validate login token"):
		return causes.LoginExpired
	case strings.Contains(text, "create oauth2 token"): // refused, but not by the API's own error
		return causes.LoginExpired
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return causes.CredentialsSlow
	}
	return causes.CredentialsFailed
}

// causeOfCall sorts the failure of a call to STS, SSO, the sign-in service or
// instance metadata, or of any AWS call made with the credentials.
func causeOfCall(err error) causes.Cause {
	op, ok := errors.AsType[*smithy.OperationError](err)
	if !ok {
		return causes.CredentialsFailed
	}
	// The innermost operation failed; an outer one only wanted its credentials.
	for {
		inner, ok := errors.AsType[*smithy.OperationError](op.Err)
		if !ok {
			break
		}
		op = inner
	}
	if op.Service() == "ec2imds" {
		return causes.NoCredentials // the last place the chain looks: nothing came before
	}
	api, ok := errors.AsType[smithy.APIError](op.Err)
	if !ok {
		return unreachable(op)
	}
	switch op.Service() {
	case "SSO":
		if api.ErrorCode() == "UnauthorizedException" {
			return causes.SSOExpired
		}
		if api.ErrorCode() == "ForbiddenException" {
			return causes.SSORoleRefused
		}
	case "SSO OIDC":
		return causes.SSOExpired
	case "Signin":
		return causes.LoginExpired
	}
	switch api.ErrorCode() {
	case "ExpiredToken", "ExpiredTokenException", "RequestExpired":
		return causes.KeysExpired
	case "InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "InvalidToken", "AuthFailure":
		return causes.KeysUnknown
	case "SignatureDoesNotMatch", "InvalidSignatureException", "RequestTimeTooSkewed",
		"IncompleteSignature", "IncompleteSignatureException", "MissingAuthenticationToken", "MissingAuthenticationTokenException":
		return causes.SignatureRefused
	}
	if strings.HasPrefix(op.Operation(), "AssumeRole") {
		if strings.Contains(api.ErrorMessage(), "MultiFactorAuthentication failed") { // of two AccessDenied, the only sign
			return causes.MFARefused
		}
		return causes.RoleRefused
	}
	return causes.CredentialsFailed
}

// unreachable tells an answer that never came. Only services that give
// credentials count: for others the caller knows better what it means.
func unreachable(op *smithy.OperationError) causes.Cause {
	switch op.Service() {
	case "SSO", "SSO OIDC", "Signin":
	case "STS":
		if !strings.HasPrefix(op.Operation(), "AssumeRole") {
			return causes.CredentialsFailed
		}
	default:
		return causes.CredentialsFailed
	}
	if _, ok := errors.AsType[*smithyhttp.RequestSendError](op.Err); ok {
		return causes.CredentialsUnreachable
	}
	return causes.CredentialsFailed
}

// effectiveProfile is the profile that the SDK reads for the given name.
func effectiveProfile(profile string) string {
	return cmp.Or(namedProfile(profile), sharedfiles.DefaultProfile)
}

// namedProfile is the profile that somebody has named, or empty.
func namedProfile(profile string) string {
	return cmp.Or(profile, os.Getenv("AWS_PROFILE"), os.Getenv("AWS_DEFAULT_PROFILE"))
}

// environmentKeys says whether the SDK takes keys from the environment: they go
// before AWS_PROFILE, but not before a profile named to us.
func environmentKeys(profile string) bool {
	return profile == "" &&
		(os.Getenv("AWS_ACCESS_KEY_ID") != "" || os.Getenv("AWS_ACCESS_KEY") != "") &&
		(os.Getenv("AWS_SECRET_ACCESS_KEY") != "" || os.Getenv("AWS_SECRET_KEY") != "")
}
