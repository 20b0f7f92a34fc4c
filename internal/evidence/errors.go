package evidence

import (
	"fmt"

	"github.com/pgkeyless/pgkeyless/internal/awserror"
)

// worded is err of an action that nothing depends on.
func worded(action string, err error) error {
	if awserror.Denied(err) {
		return fmt.Errorf("%w: %s", ErrNotPermitted, action)
	}
	return awserror.Brief(action, err)
}
