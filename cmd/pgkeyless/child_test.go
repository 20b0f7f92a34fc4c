package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func TestChildsEndIsTold(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no sh")
	}
	for script, want := range map[string]int{"exit 0": 0, "exit 7": 7, "kill -TERM $$": 143, "kill -KILL $$": 137} {
		err := runChild(t.Context(), exec.Command("sh", "-c", script), nil)
		got := 0
		if e, ok := errors.AsType[*childEnded](err); ok {
			got = e.code()
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
	for _, s := range []os.Signal{syscall.SIGTERM, syscall.SIGHUP, os.Interrupt} { // no terminal here has told it of the interrupt
		// The child says when it is there to get them.
		cmd := exec.Command("sh", "-c", "trap 'exit 9' TERM HUP INT; echo; while :; do sleep 0.01; done")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		signals := make(chan os.Signal, 1)
		go func() {
			out.Read(make([]byte, 1))
			signals <- s
		}()
		err = runChild(t.Context(), cmd, signals)
		if e, ok := errors.AsType[*childEnded](err); !ok || e.code() != 9 {
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
	err := runChild(ctx, exec.Command("sleep", "3600"), nil)
	if e, ok := errors.AsType[*childEnded](err); !ok || e.code() != 137 {
		t.Errorf("%v, want it killed", err)
	}
}

func TestChildIsLedToThePlaceAlone(t *testing.T) {
	environ := []string{"PATH=/bin", "PGHOST=elsewhere", "PGHOSTADDR=192.0.2.1", "PGSERVICE=x", "PGPASSWORD=secret", "PGSSLMODE=verify-full", "PGUSER=ada", "PGOPTIONS=-c x=y", "DATABASE_URL=old"}
	for _, tt := range []struct {
		place place
		want  []string
	}{
		{place{"127.0.0.1", 6000, "", ""}, []string{"PGUSER=ada", "PGHOST=127.0.0.1", "PGPORT=6000", "DATABASE_URL=postgresql://ada@127.0.0.1:6000/"}},
		{place{"::1", 6000, "app", "shop"}, []string{"PGHOST=::1", "PGPORT=6000", "PGUSER=app", "PGDATABASE=shop", "DATABASE_URL=postgresql://app@[::1]:6000/shop"}},
		{place{"/tmp/x", 5432, "app", ""}, []string{"PGHOST=/tmp/x", "PGPORT=5432", "PGUSER=app", "DATABASE_URL=postgresql://app@/?host=%2Ftmp%2Fx&port=5432"}},
	} {
		got := childEnvironment(environ, tt.place)
		for _, want := range append(tt.want, "PATH=/bin", "PGOPTIONS=-c x=y") {
			if !slices.Contains(got, want) {
				t.Errorf("%+v: %q lacks %s", tt.place, got, want)
			}
		}
		for _, entry := range got {
			if name, value, _ := strings.Cut(entry, "="); slices.Contains(environ, entry) && slices.Contains(libpqVariables, name) || value == "" {
				t.Errorf("%+v: %s is still there", tt.place, entry)
			}
		}
	}
}

func TestExecNeedsACommand(t *testing.T) {
	isolate(t)
	for _, tt := range []struct{ args, want string }{
		{"exec " + orders + " --via=none", "no command to run"},
		{"exec " + orders + " --via=none -- /nonexistent/program", `no program "program" is found`},
		{"exec " + orders + " " + billing + " --via=none -- true", "2 targets where one is wanted"},
		{"exec -- true", "no target given"},
		{"connect " + orders, "no jump host given"},
	} {
		code, stdout, stderr := pgkeyless(t, strings.Fields(tt.args)...)
		if code != 1 || stdout != "" || !strings.Contains(stderr, "pgkeyless: error: ") || !strings.Contains(stderr, tt.want) || !strings.Contains(stderr, "pgkeyless: hint: ") {
			t.Errorf("%s: code %d, stdout %q, stderr %q", tt.args, code, stdout, stderr)
		}
	}
}
