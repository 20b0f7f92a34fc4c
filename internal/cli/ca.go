package cli

import (
	"time"

	"github.com/pgkeyless/pgkeyless/internal/localca"
)

// ownCA is the file with this user's CA, which is made if need be, or "" where there
// can be none: serve says why.
func ownCA() string {
	dir, err := localca.Dir()
	if err == nil {
		_, err = localca.Open(dir, time.Now())
	}
	if err != nil {
		return ""
	}
	return localca.File(dir)
}
