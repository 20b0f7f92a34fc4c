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

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

// TestHostileClients lets them all at the binary. Each gets the answer it should,
// nobody is dialled for those that name no database, and when they have gone the
// process is as it was.
func TestHostileClients(t *testing.T) {
	front, target := frontOfDatabase(t)
	w := rig.Start(t, rig.Setup{Args: []string{target}})
	invite(w, t, front, usageAtRest(w))
	countGoroutines(w, t)
}

// TestHostileClientsLeaveNoMemory has them come twice: what a process has taken once
// it keeps, as pools and tables, but what is in use must not grow with each time.
func TestHostileClientsLeaveNoMemory(t *testing.T) {
	front, target := frontOfDatabase(t)
	port := rig.FreePort(t)
	w := rig.Start(t, rig.Setup{Args: []string{target}, Flags: []string{"--debug", "--admin-port", port}})
	before := usageAtRest(w)
	var inUse [2]int
	for visit := range inUse {
		t.Run(fmt.Sprint("visit ", visit+1), func(t *testing.T) { invite(w, t, front, before) })
		inUse[visit] = memoryInUse(t, port)
	}
	countGoroutines(w, t)
	t.Logf("in use after each visit: %d bytes", inUse)
	const growth = 1 << 20 // 150 bytes for each of them; visits differ by up to 200 KiB
	if inUse[1] > inUse[0]+growth {
		t.Errorf("memory in use grew from %d bytes to %d", inUse[0], inUse[1])
	}
}

// frontOfDatabase is a target whose connections are counted. No login is made ready,
// as it would be one more.
func frontOfDatabase(t *testing.T) (front *counter, target string) {
	front = countDials(t, rig.Shared.Database.Address())
	return front, lab.Host + "?ready-logins=0&dial=" + front.Addr().String() + "&ca-file=" + rig.Shared.Database.CAFile()
}

// invite lets them at w once. Then psql is served, and the process holds what it held
// before.
func invite(w *rig.World, t *testing.T, front *counter, before usage) {
	attack(w, t, front)
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
	ctx, cancel := context.WithTimeout(w.T.Context(), time.Minute)
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
