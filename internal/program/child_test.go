package program

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"testing"
)

func TestChildsEndIsTold(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no sh")
	}
	for script, want := range map[string]int{"exit 0": 0, "exit 7": 7, "kill -TERM $$": 143, "kill -KILL $$": 137} {
		err := Run(t.Context(), exec.Command("sh", "-c", script), nil)
		got := 0
		if e, ok := errors.AsType[*Ended](err); ok {
			got = e.Code()
		} else if err != nil {
			t.Fatalf("%s: %v", script, err)
		}
		if got != want {
			t.Errorf("%s: code %d, want %d", script, got, want)
		}
	}
}

func TestSignalsReachTheChild(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no signals")
	}
	// Under nohup SIGHUP is ignored, by children too; what is caught is not passed on.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGHUP)
	defer signal.Stop(caught)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, s := range []os.Signal{syscall.SIGTERM, syscall.SIGHUP, os.Interrupt} { // no terminal here has told it of the interrupt
		// The child says when it is there to get them.
		cmd := exec.Command("sh", "-c", "trap 'exit 9' TERM HUP INT; echo; while :; do sleep 0.01; done")
		cmd.Stdin = null // as under cron and systemd
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		signals := make(chan os.Signal, 1)
		go func() {
			out.Read(make([]byte, 1))
			signals <- s
		}()
		err = Run(t.Context(), cmd, signals)
		if e, ok := errors.AsType[*Ended](err); !ok || e.Code() != 9 {
			t.Errorf("after %v: %v, want the child's own code 9", s, err)
		}
	}
}

func TestChildEndsWithTheContext(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no sleep to run")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := Run(ctx, exec.Command("sleep", "3600"), nil)
	if e, ok := errors.AsType[*Ended](err); !ok || e.Code() != 137 {
		t.Errorf("%v, want it killed", err)
	}
}
