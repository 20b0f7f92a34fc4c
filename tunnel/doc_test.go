package tunnel

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// The table of doc.go has the numbers of pool.go and its neighbours.
func TestTableOfDials(t *testing.T) {
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	seconds := func(d time.Duration) string { return strings.TrimSuffix(fmt.Sprint(d), "s") + " s" }
	for _, want := range []string{
		fmt.Sprintf("busy: %d KiB", busyBytes>>10),
		fmt.Sprintf("//	%s without an answer", seconds(slowAnswer)),
		fmt.Sprintf("a start younger than %s,", seconds(hopefulStart)),
		fmt.Sprintf("for %s at most, and then takes", seconds(busyPatience)),
		fmt.Sprintf("//	for %s, a stream for", seconds(silentAfter)),
		fmt.Sprintf("//	%s without an answer,\n//	or %d of them", seconds(blockedAnswer), maxWaiting),
		fmt.Sprintf("; or %d\n//	messages it sent are lost", maxMissing),
		fmt.Sprintf("for %s more at most", seconds(patience)),
		fmt.Sprintf("none is tried for %.0f min that", unaskedPause.Minutes()),
		fmt.Sprintf("after %.0f minutes.", idleAfter.Minutes()),
		fmt.Sprintf("for up to %.0f\n// minutes", resumePatience.Minutes()),
		fmt.Sprintf("When that takes %s, a second", seconds(doubtAfter)),
		fmt.Sprintf("after\n// %s the start has failed", seconds(handshakeTimeout)),
		fmt.Sprintf("and %s are waited for it", seconds(arrivalTimeout)),
		fmt.Sprintf("busy at %d KiB within", lightBytes>>10),
		fmt.Sprintf("No more than %d sessions start", firstTogether),
		fmt.Sprintf("for those %s at most", seconds(patience)),
		fmt.Sprintf("every %s without", seconds(pingEvery)),
		fmt.Sprintf("With more than %d in a second for each session", crowdEach),
		fmt.Sprintf("those wait for %d ms", gather.Milliseconds()),
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("doc.go does not say %q", want)
		}
	}
}
