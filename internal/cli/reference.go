package cli

import (
	"io"

	"github.com/spf13/cobra"
)

// Tree is the command tree, for documentation. Its commands are not to be run.
func Tree() *cobra.Command {
	a := newApp(io.Discard, io.Discard)
	a.environ = nil
	return a.root()
}
