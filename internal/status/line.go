package status

import (
	"fmt"
	"strings"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/display"
)

// maxNamed is how many targets a line names.
const maxNamed = 5

// Line says in one line what is served, and whether logins fail, for whoever
// supervises the process. Times are local.
func (d Document) Line() string {
	var names, failing []string
	open := 0
	since := time.Time{}
	for _, t := range d.Targets {
		names = append(names, display.Line(t.Name))
		open += t.Open
		if t.State != Failing {
			continue
		}
		failing = append(failing, display.Line(t.Name))
		if since.IsZero() || t.FailingSince.Before(since) {
			since = *t.FailingSince
		}
	}
	var b strings.Builder
	switch d.Proxy.State {
	case Starting:
		b.WriteString("starting")
	case Draining:
		b.WriteString("stopping, " + counted(open, "session"))
	default:
		b.WriteString("serving " + display.Few(names, maxNamed) + ": " + counted(open, "session"))
	}
	if len(failing) > 0 {
		fmt.Fprintf(&b, "; logins to %s fail since %s", display.Few(failing, maxNamed), since.Local().Format(time.TimeOnly))
	}
	if r := d.Proxy.Reload; r != nil && !r.OK {
		b.WriteString("; last reload refused")
	}
	return b.String()
}

func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
