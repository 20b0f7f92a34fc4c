package evidence

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/aws/smithy-go"
)

// callError says which action failed, and of AWS's words no more than the code:
// the rest may repeat the request. What the SDK says around an error of the
// network helps nobody.
type callError struct {
	action string
	err    error
}

func (e *callError) Unwrap() error { return e.err }

func (e *callError) Error() string {
	if api, ok := errors.AsType[smithy.APIError](e.err); ok {
		return e.action + " answers " + api.ErrorCode()
	}
	said := e.err
	if own, ok := errors.AsType[interface {
		error
		SQLState() string
	}](e.err); ok { // which explains itself
		said = own
	} else if sent, ok := errors.AsType[*url.Error](e.err); ok {
		said = sent.Err
	}
	if errors.Is(e.err, context.DeadlineExceeded) {
		return e.action + ": no answer in time"
	}
	return e.action + ": " + said.Error()
}

// worded is err of an action that nothing depends on.
func worded(action string, err error) error {
	if api, ok := errors.AsType[smithy.APIError](err); ok && strings.HasPrefix(api.ErrorCode(), "AccessDenied") {
		return fmt.Errorf("%w: %s", ErrNotPermitted, action)
	}
	return &callError{action, err}
}
