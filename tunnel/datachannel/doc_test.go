package datachannel

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// The timeline of doc.go is that of the constants and defaults, in their order.
func TestTimelineOfSilence(t *testing.T) {
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := Config{Connect: (&rig{}).connect, Stream: newFakeStream()}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]time.Duration{
		"ackDelay": ackDelay, "beatHope": beatHope, "beatRest": beatRest, "lateAfter": lateAfter, "minRTO": minRTO, "maxRTO": maxRTO, "pauseProbe": pauseProbe, "checkAfter": checkAfter, "speaksWithin": speaksWithin,
		"answersWithin": answersWithin, "deafAfter": deafAfter, "aliveWithin": aliveWithin, "GapTimeout": cfg.GapTimeout, "PeerTimeout": cfg.PeerTimeout,
		"PauseTimeout": cfg.PauseTimeout, "GapPatience": cfg.GapPatience, "longestCheck": longestCheck, "StallTimeout": cfg.StallTimeout, "OutageTimeout": cfg.OutageTimeout,
	}
	got := make(map[string]time.Duration)
	var order []time.Duration
	for _, row := range regexp.MustCompile(`(?m)^//\t([\d.]+ \w+) +(\w+) `).FindAllStringSubmatch(string(text), -1) {
		got[row[2]] = duration(t, row[1])
		order = append(order, got[row[2]])
	}
	if !maps.Equal(got, want) || !slices.IsSorted(order) {
		t.Errorf("doc.go has %v,\nwant %v in the order of time", got, want)
	}
	for _, words := range []struct {
		before string
		want   time.Duration
		after  string
	}{
		{"ErrPeerSilent; ", checkAfter + cfg.PeerTimeout, " in a download"},
		{"HandshakeTimeout (", cfg.HandshakeTimeout, ")"},
	} {
		_, rest, _ := strings.Cut(string(text), words.before)
		said, _, ok := strings.Cut(rest, words.after)
		if !ok || duration(t, said) != words.want {
			t.Errorf("doc.go says %q%q%q, want %v", words.before, said, words.after, words.want)
		}
	}
}

// duration reads "200 ms", "2 s" and "15 min".
func duration(t *testing.T, s string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(strings.NewReplacer(" ", "", "min", "m").Replace(s))
	if err != nil {
		t.Error(err)
	}
	return d
}
