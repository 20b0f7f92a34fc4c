package kit

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

func TestProcessIsThisOne(t *testing.T) {
	before, err := ProcessCPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for n, begun := 0, time.Now(); time.Since(begun) < 10*time.Minute; n++ { // until a tick of 10 ms was used
		now, err := ProcessCPU(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		if now > before {
			break
		}
	}
	if kib, err := ProcessRSS(os.Getpid()); err != nil || kib < 1024 || kib > 16<<20 {
		t.Errorf("resident memory %d KiB, %v", kib, err)
	}
}

// A child that has used some CPU time and been waited for is counted.
func TestEndedChildrenAreCounted(t *testing.T) {
	before, err := EndedChildrenCPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	shell := exec.Command("sh", "-c", "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done")
	if err := shell.Run(); err != nil {
		t.Fatal(err)
	}
	used := shell.ProcessState.UserTime() + shell.ProcessState.SystemTime()
	after, err := EndedChildrenCPU(os.Getpid())
	if err != nil || after <= before || after-before > 2*used+time.Second {
		t.Errorf("%v before and %v after a child that used %v: %v", before, after, used, err)
	}
}

func TestChildIsFoundByItsBinary(t *testing.T) {
	binary, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	if got := ChildOf(binary); got != cmd.Process.Pid {
		t.Errorf("ChildOf(%s) = %d, want %d", binary, got, cmd.Process.Pid)
	}
	if got := ChildOf("/nonexistent"); got != 0 {
		t.Errorf("ChildOf(nothing) = %d", got)
	}
}
