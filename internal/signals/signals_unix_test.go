//go:build unix

package signals

import (
	"os/exec"
	"testing"
)

// A program that is started while signals are caught must end by SIGPIPE as usual:
// `yes | head -1` in a shell that reports the pipeline's codes.
func TestProgramsEndBySIGPIPE(t *testing.T) {
	_, stop := Notify()
	defer stop()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash here")
	}
	out, err := exec.Command(bash, "-c", "yes | head -1 >/dev/null; echo ${PIPESTATUS[0]}").Output()
	if err != nil || string(out) != "141\n" {
		t.Errorf("yes ended with %q, %v; want 141", out, err)
	}
}
