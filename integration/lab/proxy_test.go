package lab

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
)

// The test binary is a pgkeyless that cannot start when this variable is set.
const asFailing = "RUN_AS_FAILING_PGKEYLESS"

const complaint = "pgkeyless: error: port 1 on 127.0.0.1 is already in use"

func TestMain(m *testing.M) {
	if os.Getenv(asFailing) != "" {
		fmt.Fprintln(os.Stderr, complaint)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func TestFailedStartIsToldOnce(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var echo bytes.Buffer
	c := Command{Binary: self, Env: []string{asFailing + "=1"}}
	_, err = StartProxy(t.Context(), c)
	if err == nil || !strings.Contains(err.Error(), "code 1") || !strings.Contains(err.Error(), complaint) {
		t.Errorf("without echo: %v, want the code and what it printed", err)
	}
	c.Echo = &echo
	_, err = StartProxy(t.Context(), c)
	if err == nil || !strings.Contains(err.Error(), "code 1") || strings.Contains(err.Error(), complaint) || echo.String() != complaint+"\n" {
		t.Errorf("echoed %q, then %v; want what it printed in the first alone", echo.String(), err)
	}
}
