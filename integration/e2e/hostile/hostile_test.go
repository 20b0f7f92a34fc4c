//go:build linux

package hostile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/bench/kit"
	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

// TestHostileClients lets them all at the binary. Each gets the answer it should,
// nobody is dialled for those that name no database, and when they have gone the
// process is as it was.
func TestHostileClients(t *testing.T) { invite(t, rig.Shared.Binary, 1) }

// TestHostileClientsLeaveNoMemory has them come twice: what a runtime has taken
// once it keeps, but it must not grow with each time. The race detector takes much
// that is its own, and is left out.
func TestHostileClientsLeaveNoMemory(t *testing.T) {
	binary := rig.Shared.Binary
	if lab.Race {
		var err error
		if binary, err = lab.BuildPlainProxy(t.Context(), t.TempDir()); err != nil {
			t.Fatal(err)
		}
	}
	taken := invite(t, binary, 2)
	const growth = 8 << 10 // KiB: 1.2 for each of them; two visits differ by up to 3 MiB either way
	if taken[1] > taken[0]+growth {
		t.Errorf("memory grew from %d KiB to %d", taken[0], taken[1])
	}
}

// invite lets them at binary so many times, and returns the memory of the process
// after each, in KiB.
func invite(t *testing.T, binary string, visits int) (taken []int) {
	front := countDials(t, rig.Shared.Database.Address())
	w := rig.Start(t, rig.Setup{Binary: binary, Args: []string{lab.Host + "?ready-logins=0&dial=" + front.Addr().String() + "&ca-file=" + rig.Shared.Database.CAFile()}})
	for _, mode := range []string{"sslmode=disable", "sslmode=require"} {
		w.Query(mode, rig.WhoAmI)
	}
	before := usageOf(w)
	for visit := range visits {
		t.Run(fmt.Sprint("visit ", visit+1), func(t *testing.T) { attack(w, t, front) })
		began := time.Now()
		if got := w.Query("", rig.WhoAmI); got != rig.ItsMe {
			t.Errorf("afterwards: %q, want %q", got, rig.ItsMe)
		}
		t.Logf("psql afterwards took %v", time.Since(began))
		after := settle(w, before)
		t.Logf("before %+v, after %+v", before, after)
		if after.files > before.files || after.threads > before.threads+40 {
			t.Errorf("before %+v, after %+v", before, after)
		}
		taken = append(taken, after.rss)
	}
	countGoroutines(w, t)
	return taken
}

// attack sends one kind after the other.
func attack(w *rig.World, t *testing.T, front *counter) {
	for _, h := range hostiles {
		t.Run(h.name, func(t *testing.T) {
			dialled := front.count()
			h.attack(t, w.Proxy.Addresses()[0])
			if got, most := front.count()-dialled, h.times*h.dials; got > most {
				t.Errorf("the database was dialled %d times, want at most %d", got, most)
			}
		})
	}
	t.Run("slow first packets", func(t *testing.T) { crawl(w, t, front) })
}

// attack has 50 clients at a time.
func (h hostile) attack(t *testing.T, address string) {
	var attackers sync.WaitGroup
	turns := make(chan struct{}, h.times)
	for range h.times {
		turns <- struct{}{}
	}
	close(turns)
	for range min(50, h.times) {
		attackers.Go(func() {
			for range turns {
				h.once(t, address)
			}
		})
	}
	attackers.Wait()
}

func (h hostile) once(t *testing.T, address string) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	answer, err := h.talk(c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("not let go: %v, after %q", err, answer)
	}
	if answer == "" && h.reset {
		return
	}
	if !strings.HasPrefix(answer, h.want) || h.want == "" && answer != "" {
		t.Errorf("answered with %q (%v), want %q", answer, err, h.want)
	}
	if strings.Contains(answer, rig.SQLMarker) {
		t.Errorf("the answer repeats the request: %q", answer)
	}
}

// crawl has more clients that stop amid their first packet than may wait at a
// time. psql is served all the same.
func crawl(w *rig.World, t *testing.T, front *counter) {
	const clients, places = 1100, 1000 // proxy's maxLobby
	dialled := front.count()
	ended := make(chan string, clients)
	for range clients {
		c, err := net.Dial("tcp", w.Proxy.Addresses()[0])
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.Write(whoIAm[:7])
		go func() {
			answer, _ := theRest(c)
			ended <- answer
		}()
	}
	if got := w.Query("", rig.WhoAmI); got != rig.ItsMe {
		t.Errorf("among them: %q, want %q", got, rig.ItsMe)
	}
	if n := front.count() - dialled; n != 1 {
		t.Errorf("the database was dialled %d times, want once for psql", n)
	}
	late := time.After(time.Minute)
	for n := range clients - places {
		select {
		case answer := <-ended:
			if answer != "" {
				t.Errorf("one was told %q", answer)
			}
		case <-late:
			t.Fatalf("%d have made room, want %d", n, clients-places)
		}
	}
}

// counter forwards to the database, and counts.
type counter struct {
	net.Listener
	mu sync.Mutex
	n  int
}

func (c *counter) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

// countDials stands before address until the test's end.
func countDials(t *testing.T, address string) *counter {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	front := &counter{Listener: l}
	var forwarding sync.WaitGroup
	forwarding.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			front.mu.Lock()
			front.n++
			front.mu.Unlock()
			forwarding.Go(func() { forward(c, address) })
		}
	})
	t.Cleanup(func() { l.Close(); forwarding.Wait() })
	return front
}

// forward carries both ways until both have ended.
func forward(c net.Conn, address string) {
	defer c.Close()
	up, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer up.Close()
	var down sync.WaitGroup
	down.Go(func() { io.Copy(c, up); c.(*net.TCPConn).CloseWrite() })
	io.Copy(up, c)
	up.(*net.TCPConn).CloseWrite()
	down.Wait()
}

// settle returns what the process holds when it has closed what it opened since
// before, for which it may take as long as clients are given to read last words.
func settle(w *rig.World, before usage) usage {
	ctx, cancel := context.WithTimeout(w.T.Context(), 30*time.Second)
	defer cancel()
	now := usageOf(w)
	for now.files > before.files && ctx.Err() == nil {
		w.Query("", "select pg_sleep(0.1)")
		now = usageOf(w)
	}
	return now
}

// countGoroutines ends the process with the runtime's dump, which must show those
// of a proxy at rest.
func countGoroutines(w *rig.World, t *testing.T) {
	if code := w.Stop(syscall.SIGQUIT); code != 2 {
		t.Errorf("exit code after SIGQUIT = %d, want the runtime's 2", code)
	}
	const atRest = 40
	n := strings.Count(w.Proxy.Output(), "\ngoroutine ")
	t.Logf("%d goroutines", n)
	if n == 0 || n > atRest {
		t.Errorf("%d goroutines, want at most %d", n, atRest)
	}
}

// usage is what a process holds.
type usage struct {
	rss            int // KiB
	threads, files int
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
	if u.rss, err = kit.ProcessRSS(w.Proxy.PID()); err != nil {
		w.T.Fatal(err)
	}
	return u
}
