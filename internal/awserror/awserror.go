// Package awserror reads the errors of AWS API calls: what the SDK's types say,
// and what of their texts is fit for people.
package awserror

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"github.com/aws/smithy-go"
)

// Code is the API's code for err, or "" when no answer of the API is within it.
func Code(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}

// Message is what the API says with Code, or "".
func Message(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorMessage()
	}
	return ""
}

// Denied reports whether the caller has not the permission for the call: services
// name that AccessDenied or AccessDeniedException.
func Denied(err error) bool { return strings.HasPrefix(Code(err), "AccessDenied") }

// Throttled reports whether the account has made too many calls.
//
// Source: aws-sdk-go-v2, aws/retry/standard.go, DefaultThrottleErrorCodes, as far
// as the services called here have them.
func Throttled(err error) bool {
	switch Code(err) {
	case "Throttling", "ThrottlingException", "ThrottledException", "TooManyRequestsException", "RequestLimitExceeded":
		return true
	}
	return false
}

// Status is the HTTP status of the API's answer, 0 when there was none.
func Status(err error) int {
	if r, ok := errors.AsType[interface {
		error
		HTTPStatusCode() int
	}](err); ok {
		return r.HTTPStatusCode()
	}
	return 0
}

// RequestID is what AWS's support asks for, or "".
func RequestID(err error) string {
	if r, ok := errors.AsType[interface {
		error
		ServiceRequestID() string
	}](err); ok {
		return r.ServiceRequestID()
	}
	return ""
}

// WithoutURL is the error inside of a *url.Error, or else err: the text of that
// repeats the URL, which may be a secret, and what the SDK says around it helps
// nobody.
func WithoutURL(err error) error {
	if sent, ok := errors.AsType[*url.Error](err); ok {
		return sent.Err
	}
	return err
}

// Brief is err, which stays beneath, in a few words: which action failed, and of
// AWS's words no more than the code, since the rest may repeat the request.
func Brief(action string, err error) error { return &brief{action, err} }

type brief struct {
	action string
	err    error
}

func (b *brief) Unwrap() error { return b.err }

func (b *brief) Error() string {
	switch code := Code(b.err); {
	case code != "":
		return b.action + " answers " + code
	case errors.Is(b.err, context.DeadlineExceeded):
		return b.action + ": no answer in time"
	}
	if own, ok := errors.AsType[interface {
		error
		SQLState() string
	}](b.err); ok { // which explains itself
		return b.action + ": " + own.Error()
	}
	return b.action + ": " + WithoutURL(b.err).Error()
}
