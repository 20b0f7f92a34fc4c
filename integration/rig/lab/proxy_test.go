package lab

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
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

// A line that is printed as the process ends is found by who learns of the end
// first.
func TestLastLineIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &Proxy{exited: make(chan struct{})} // and nobody is told of lines
		found := map[string]error{}
		var waiting sync.WaitGroup
		for _, text := range []string{"last", "never"} {
			waiting.Go(func() {
				_, err := p.AwaitLine(t.Context(), text)
				p.mu.Lock()
				defer p.mu.Unlock()
				found[text] = err
			})
		}
		synctest.Wait()
		p.Write([]byte("last words\n"))
		close(p.exited)
		waiting.Wait()
		if found["last"] != nil || found["never"] == nil {
			t.Errorf("waiting for lines: %v; want an error for the one that never came", found)
		}
	})
}
