package reference

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgkeyless/pgkeyless/internal/doctor"
)

// exitCodesPage lists the exit codes of all commands.
func exitCodesPage(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString(`# Exit codes

| code | meaning |
|---|---|
| 0 | success; for ` + "`serve`" + ` also ` + "`pgkeyless shutdown`, and SIGTERM with `--exit-zero-on-sigterm`" + ` |
| 1 | an error. stderr says what happened, and what to do |
| 129 | ` + "`serve`" + ` ended by SIGHUP: there is no config file, or the terminal was closed |
| 130 | ended by SIGINT (Ctrl-C) |
| 143 | ended by SIGTERM |

` + "`connect` and `exec`" + ` end with the exit code of the program, or with 128 + N if signal N ended it.

These commands have more:

`)
	var rows [][]string
	walk(root, func(c *cobra.Command) {
		if _, codes, ok := strings.Cut(c.Long, "\nExit codes: "); ok {
			rows = append(rows, []string{"[`" + c.CommandPath() + "`](commands.md" + anchor(c) + ")", strings.ReplaceAll(strings.TrimSpace(codes), "\n", " ")})
		}
	})
	table(&b, []string{"command", "exit codes"}, rows)
	b.WriteString("\n`pgkeyless policy` has [its own](commands.md#pgkeyless-policy).\n\n## pgkeyless doctor\n\nThe code is that of the stage that failed. A stage without a code cannot fail.\n\n")
	rows = nil
	for _, s := range doctor.Stages() {
		exit := ""
		if s.Code != 0 {
			exit = strconv.Itoa(s.Code)
		}
		rows = append(rows, []string{code(s.ID), exit, sentence(s.What)})
	}
	table(&b, []string{"stage", "code", "what it checks"}, rows)
	return b.String()
}
