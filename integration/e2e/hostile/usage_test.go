//go:build linux

package hostile

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/integration/rig"
)

// usage is what a process holds.
type usage struct{ threads, files int }

// usageAtRest is what pgkeyless holds after a client of each kind, which open what stays.
func usageAtRest(w *rig.World) usage {
	for _, mode := range []string{"sslmode=disable", "sslmode=require"} {
		w.Query(mode, rig.WhoAmI)
	}
	return usageOf(w)
}

// usageOf of pgkeyless, from /proc.
func usageOf(w *rig.World) (u usage) {
	w.T.Helper()
	proc := fmt.Sprintf("/proc/%d/", w.Proxy.PID())
	status, err := os.ReadFile(proc + "status")
	if err != nil {
		w.T.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		fmt.Sscanf(line, "Threads: %d", &u.threads)
	}
	files, err := os.ReadDir(proc + "fd")
	if err != nil {
		w.T.Fatal(err)
	}
	u.files = len(files)
	return u
}

// memoryInUse is what pgkeyless's heap and stacks hold when all garbage is gone, in
// bytes. Its resident memory would not do: that depends on when the collector ran.
func memoryInUse(t *testing.T, adminPort string) (n int) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // which would be one more file
	var profile string
	for range 3 { // what has a finalizer goes with the collection after
		res, err := client.Get("http://localhost:" + adminPort + "/debug/pprof/heap?gc=1&debug=1")
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("heap profile: %s, %v", res.Status, err)
		}
		profile = string(text)
	}
	for _, name := range []string{"HeapAlloc", "Stack"} {
		found := regexp.MustCompile(`(?m)^# ` + name + ` = (\d+)`).FindStringSubmatch(profile)
		if found == nil {
			t.Fatalf("the heap profile has no %s", name)
		}
		bytes, err := strconv.Atoi(found[1])
		if err != nil {
			t.Fatal(err)
		}
		n += bytes
	}
	return n
}
