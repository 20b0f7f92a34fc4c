package agentversion

import "testing"

func TestAfter(t *testing.T) {
	for _, test := range []struct {
		version, limit string
		want           bool
	}{
		{"3.1.1374.0", "3.1.1188.0", true}, {"3.1.1188.0", "3.1.1374.0", false}, {"3.1.1374.0", "3.1.1374.0", false},
		{"3.0.196.1", LastWithoutMux, true}, {"10.0.0.0", "9.9.9.9", true}, {"3.0.1000.0", "3.0.196.0", true},
		{"3.1.x.0", "3.0.196.0", false}, {"4", "3.0.196.0", false}, {"3.3.987.0.0", "3.0.196.0", false}, {"-4.0.0.0", "3.0.196.0", false},
		{"", "", false}, {"", "3.0.196.0", false}, {"3.0.196.0", "", false},
	} {
		if got := After(test.version, test.limit); got != test.want {
			t.Errorf("After(%q, %q) = %v, want %v", test.version, test.limit, got, test.want)
		}
	}
}

func TestWhatAgentsLearntInOrder(t *testing.T) {
	order := []string{LastWithoutMux, Forwards, Supported, LastWithKeepAlive}
	for i := 1; i < len(order); i++ {
		if !After(order[i], order[i-1]) {
			t.Errorf("%s is not after %s", order[i], order[i-1])
		}
	}
}
