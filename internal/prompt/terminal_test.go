package prompt

import (
	"bytes"
	"os"
	"testing"
)

// Of the character devices only terminals have somebody at them. A terminal is
// tried in console_linux_test.go.
func TestWhatIsNoTerminal(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	for name, in := range map[string]any{"the null device": null, "a pipe": r, "a buffer": new(bytes.Buffer), "nothing": nil} {
		if IsTerminal(in) {
			t.Errorf("%s is taken for a terminal", name)
		}
	}
}
