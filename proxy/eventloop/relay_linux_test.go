package eventloop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

// expect reads want.
func expect(t *testing.T, c io.Reader, want []byte) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); err != nil {
		t.Errorf("%d bytes of %d, then %v", n, len(want), err)
	} else if !bytes.Equal(got, want) {
		t.Error("other bytes than were sent")
	}
}

func TestBytesBothWaysAtOnce(t *testing.T) {
	for _, secure := range [][2]bool{{false, false}, {false, true}, {true, false}, {true, true}} {
		t.Run(fmt.Sprintf("client TLS %t, database TLS %t", secure[0], secure[1]), func(t *testing.T) {
			r := newRig(t, newGroup(t), secure[0], secure[1])
			up, down := randomBytes(1, 9<<20+17), randomBytes(2, 8<<20+1)
			r.early = up[:100]
			heard := 0
			r.seen = func(p []byte) { heard += len(p) }
			r.start()
			var all sync.WaitGroup
			all.Go(func() { r.client.Write(up[100:]) })
			all.Go(func() { r.database.Write(down) })
			all.Go(func() { expect(t, r.client, down) })
			all.Go(func() { expect(t, r.database, up) })
			all.Wait()
			r.cancel()
			got := <-r.result
			if got != (Result{Up: int64(len(up)), Down: int64(len(down))}) {
				t.Errorf("ended with %+v", got)
			}
			if heard != len(up) {
				t.Errorf("%d bytes of the client's were seen, want %d", heard, len(up))
			}
		})
	}
}

// What TLS took in with the last record before the relay comes with no event.
func TestBytesReadAheadByTLS(t *testing.T) {
	r := newRig(t, newGroup(t), true, true)
	for _, side := range [][2]net.Conn{{r.client, r.nearClient}, {r.database, r.nearDatabase}} {
		if _, err := side[0].Write([]byte("before and after")); err != nil {
			t.Fatal(err)
		}
		expect(t, side[1], []byte("before"))
	}
	r.start()
	expect(t, r.client, []byte(" and after"))
	expect(t, r.database, []byte(" and after"))
}

// The relay may stop at any byte, with either side blocked, and the conns go on
// from there.
func TestNothingIsLostWhenTheContextEnds(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("TLS %t", secure), func(t *testing.T) {
			r := newRig(t, newGroup(t), secure, secure)
			up, down := randomBytes(1, 24<<20), randomBytes(2, 24<<20)
			var words, copies sync.WaitGroup
			words.Go(func() { r.client.Write(up) })
			words.Go(func() { r.database.Write(down) })
			r.start()
			expect(t, r.client, down[:3<<20])
			expect(t, r.database, up[:5<<20])
			r.cancel()
			if got := <-r.result; got.Ended != 0 || got.Err != nil || got.Up < 5<<20 || got.Down < 3<<20 {
				t.Errorf("ended with %+v", got)
			}
			copies.Go(func() { io.Copy(plain{r.nearDatabase}, plain{r.nearClient}) })
			copies.Go(func() { io.Copy(plain{r.nearClient}, plain{r.nearDatabase}) })
			words.Go(func() { expect(t, r.client, down[3<<20:]) })
			words.Go(func() { expect(t, r.database, up[5<<20:]) })
			words.Wait() // what is closed sooner cuts the other way's words short
			r.farClient.CloseWrite()
			r.farDatabase.CloseWrite()
			copies.Wait()
		})
	}
}

// plain hides from io.Copy what else a conn can do.
type plain struct{ io.ReadWriter }

func TestUnsentBytesAreFlushed(t *testing.T) {
	r := newRig(t, newGroup(t), false, true)
	words := randomBytes(1, 64<<20)
	sent := make(chan int, 1)
	go func() {
		n, _ := r.database.Write(words)
		sent <- n
	}()
	r.start()
	expect(t, r.client, words[:1])
	r.farDatabase.Close() // what its socket and the loop hold is still the client's
	<-sent
	r.cancel()
	got := <-r.result
	rest := make(chan []byte, 1)
	go func() {
		p, _ := io.ReadAll(r.client)
		rest <- p
	}()
	held := len(r.nearClient.(*socket).unsent)
	for ; held > 0; held -= flushSize { // a deadline is for one part
		more, err := r.nearClient.(*socket).Flush()
		if err != nil || more != (held > flushSize) {
			t.Fatalf("of %d bytes: more %t, %v", held, more, err)
		}
	}
	r.nearClient.Close()
	if p := <-rest; int64(len(p)) != got.Down-1 || !bytes.HasPrefix(words[1:], p) {
		t.Errorf("the client got %d bytes of %d", len(p)+1, got.Down)
	}
}

func TestEndOfStream(t *testing.T) {
	for _, secure := range []bool{false, true} {
		for _, way := range []Way{Up, Down} {
			t.Run(fmt.Sprintf("TLS %t, way %d", secure, way), func(t *testing.T) {
				r := newRig(t, newGroup(t), secure, secure)
				from, to, near := r.client, r.database, r.nearClient
				if way == Down {
					from, to, near = r.database, r.client, r.nearDatabase
				}
				r.start()
				from.Write([]byte("bye"))
				from.(interface{ CloseWrite() error }).CloseWrite()
				expect(t, to, []byte("bye"))
				got := <-r.result
				if got.Ended != way || !got.Reading || got.Err != io.EOF {
					t.Errorf("ended with %+v", got)
				}
				near.Write([]byte("and good night")) // the other way is open
				expect(t, from, []byte("and good night"))
			})
		}
	}
}

func TestTLSCutShortIsNoEndOfStream(t *testing.T) {
	r := newRig(t, newGroup(t), false, true)
	r.start()
	r.farDatabase.Write([]byte{23, 3, 3, 0, 50, 1}) // a record's beginning
	r.farDatabase.CloseWrite()
	if got := <-r.result; got.Ended != Down || !got.Reading || !errors.Is(got.Err, io.ErrUnexpectedEOF) {
		t.Errorf("ended with %+v", got)
	}
}

func TestNoTLSIsAnError(t *testing.T) {
	r := newRig(t, newGroup(t), false, true)
	r.start()
	r.farDatabase.Write([]byte("not a TLS record at all"))
	if got := <-r.result; got.Ended != Down || !got.Reading || got.Err == nil || got.Err == io.EOF {
		t.Errorf("ended with %+v", got)
	}
	alert := make([]byte, 5) // TLS says so to its peer
	if _, err := io.ReadFull(r.farDatabase, alert); err != nil || alert[0] != 23 {
		t.Errorf("the database got %v (%v), want an alert in a record", alert, err)
	}
}

func TestReset(t *testing.T) {
	r := newRig(t, newGroup(t), false, true)
	r.start()
	r.farClient.SetLinger(0)
	r.farClient.Close()
	if got := <-r.result; got.Ended != Up || !errors.Is(got.Err, syscall.ECONNRESET) {
		t.Errorf("ended with %+v", got)
	}
}

// A client that goes while the database takes nothing must not be kept for as
// long as that lasts.
func TestResetOfAStalledUpload(t *testing.T) {
	r := newRig(t, newGroup(t), false, true)
	r.start()
	stalled := make(chan struct{})
	go func() {
		defer close(stalled)
		r.client.Write(make([]byte, 64<<20)) // more than all sockets take
	}()
	expect(t, r.database, make([]byte, 1<<20))
	r.farClient.SetLinger(0)
	r.farClient.Close()
	<-stalled
	if got := <-r.result; got.Ended != Up || !errors.Is(got.Err, syscall.ECONNRESET) {
		t.Errorf("ended with %+v", got)
	}
}

// The reset is told while all that was read could be sent; what is left to read then
// stalls, and no further event comes.
func TestResetBeforeAnUploadStalls(t *testing.T) {
	r := newRig(t, newGroup(t), false, false)
	r.nearDatabase.(*socket).stream.(*net.TCPConn).SetWriteBuffer(4 << 10)
	r.farDatabase.SetReadBuffer(4 << 10)
	r.nearClient.(*socket).stream.(*net.TCPConn).SetReadBuffer(2 << 20)
	r.farClient.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)) // for what the kernel takes
	r.client.Write(make([]byte, 64<<20))
	r.farClient.SetLinger(0)
	r.farClient.Close()
	r.start()
	if got := <-r.result; got.Ended != Up || !errors.Is(got.Err, syscall.ECONNRESET) {
		t.Errorf("ended with %+v", got)
	}
}

func TestDatabaseThatTakesNoMoreIsAWriteError(t *testing.T) {
	r := newRig(t, newGroup(t), false, false)
	r.farDatabase.SetLinger(0)
	r.farDatabase.Close()
	r.early = []byte("select 1")
	r.start()
	if got := <-r.result; got.Err == nil || errors.Is(got.Err, io.EOF) {
		t.Errorf("ended with %+v", got)
	}
}

// A pair that is stalled both ways holds up nobody, and many share a loop.
func TestPairsDoNotWaitForEachOther(t *testing.T) {
	group := newGroup(t)
	stalled := newRig(t, group, false, true)
	stalled.start()
	var floods sync.WaitGroup
	floods.Go(func() { stalled.client.Write(make([]byte, 64<<20)) })
	floods.Go(func() { stalled.database.Write(make([]byte, 64<<20)) })
	defer floods.Wait()
	defer stalled.farClient.Close()
	defer stalled.farDatabase.Close()

	var all sync.WaitGroup
	defer all.Wait()
	for i := range 50 {
		r := newRig(t, group, i%2 == 0, i%3 == 0)
		r.start()
		all.Go(func() {
			for turn := range 20 {
				question := fmt.Appendf(nil, "pair %d, question %d", i, turn)
				r.client.Write(question)
				expect(t, r.database, question)
				answer := randomBytes(byte(i), 1000*turn)
				r.database.Write(answer)
				expect(t, r.client, answer)
			}
			r.client.Close()
			if got := <-r.result; got.Ended != Up {
				t.Errorf("pair %d ended with %+v", i, got)
			}
		})
	}
}

func TestSlotsOfEndedPairsAreUsedAgain(t *testing.T) {
	group := newGroup(t)
	for i := range 100 {
		r := newRig(t, group, false, false)
		r.start()
		r.client.Write([]byte("x"))
		expect(t, r.database, []byte("x"))
		if i%2 == 0 {
			r.cancel()
		} else {
			r.database.Close()
		}
		<-r.result
		r.client.Close()
		r.database.Close()
		r.nearClient.Close()
		r.nearDatabase.Close()
	}
	if n := len(group.loops[0].slots); n > 4*maxLoops() {
		t.Errorf("%d slots for one pair at a time", n)
	}
}

func TestWhatIsNoSocketIsNotRelayed(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	socket, _ := socketPair(t)
	group := newGroup(t)
	if Wrap(near) != near {
		t.Error("a pipe was wrapped")
	}
	never := func(r Result) { t.Errorf("ended with %+v", r) }
	if group.Relay(t.Context(), Wrap(socket), near, nil, nil, nil, never) {
		t.Error("a pipe was relayed")
	}
	if group.Relay(t.Context(), near, Wrap(socket), nil, nil, nil, never) {
		t.Error("a pipe was relayed")
	}
}

func TestUnixSockets(t *testing.T) {
	l, err := net.Listen("unix", t.TempDir()+"/s")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	far, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	near, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, newGroup(t), false, true)
	r.nearClient = Wrap(near)
	r.start()
	far.Write([]byte("over a path"))
	expect(t, r.database, []byte("over a path"))
	r.database.Write([]byte("and back"))
	expect(t, far, []byte("and back"))
	far.(*net.UnixConn).CloseWrite()
	if got := <-r.result; got.Ended != Up || got.Err != io.EOF {
		t.Errorf("ended with %+v", got)
	}
}

// A read stops at urgent data with more behind it, and no event reports that.
func TestBytesBehindUrgentData(t *testing.T) {
	r := newRig(t, newGroup(t), false, false)
	reading, release := make(chan struct{}), make(chan struct{})
	first := true
	r.seen = func([]byte) {
		if first {
			first = false
			close(reading)
			<-release
		}
	}
	r.start()
	r.client.Write([]byte("x"))
	<-reading // all that follows is there before the next read
	raw, err := r.farClient.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	r.client.Write([]byte("before"))
	if err := raw.Control(func(fd uintptr) { err = syscall.Sendmsg(int(fd), []byte("!"), nil, nil, syscall.MSG_OOB) }); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	r.client.Write([]byte("behind"))
	close(release)
	expect(t, r.database, []byte("xbeforebehind"))
}

// What epoll does not take can still be relayed in another way.
func TestRefusedByEpollIsNotRelayed(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "file")) // one that is always ready, says epoll
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	near, far := socketPair(t)
	client := Wrap(near)
	ended := make(chan Result, 1)
	if !newGroup(t).Relay(t.Context(), client, &socket{stream: file}, []byte("early"), nil, nil, func(r Result) { ended <- r }) {
		t.Fatal("a file cannot be told from a socket before epoll has")
	}
	if got := <-ended; got != (Result{Refused: true}) {
		t.Errorf("ended with %+v", got)
	}
	far.Write([]byte("still here"))
	expect(t, client, []byte("still here"))
}

// A conn that comes back has its options, its deadlines and its other way.
func TestConnsComeBackAsTheyWere(t *testing.T) {
	r := newRig(t, newGroup(t), false, true)
	near := r.nearClient.(*socket)
	near.stream.(*net.TCPConn).SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 77 * time.Second, Interval: 11 * time.Second, Count: 5})
	local, remote := near.LocalAddr(), near.RemoteAddr()
	r.start()
	r.client.Write([]byte("relayed"))
	expect(t, r.database, []byte("relayed"))
	r.cancel()
	<-r.result
	raw, err := near.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for _, option := range []struct{ level, name, want int }{
		{syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1},
		{syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, 77},
		{syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL, 11},
		{syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1},
	} {
		raw.Control(func(fd uintptr) {
			if got, err := syscall.GetsockoptInt(int(fd), option.level, option.name); err != nil || got != option.want {
				t.Errorf("option %d of level %d is %d (%v), want %d", option.name, option.level, got, err, option.want)
			}
		})
	}
	if near.LocalAddr() != local || near.RemoteAddr() != remote {
		t.Errorf("addresses %v, %v; were %v, %v", near.LocalAddr(), near.RemoteAddr(), local, remote)
	}
	waiting := make(chan error)
	for _, c := range []net.Conn{r.nearClient, r.nearDatabase} { // a deadline wakes who waits already
		go func() {
			_, err := c.Read(make([]byte, 1))
			waiting <- err
		}()
		c.SetReadDeadline(time.Unix(1, 0))
		if err := <-waiting; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("reading ended with %v", err)
		}
		c.SetReadDeadline(time.Time{})
	}
	r.client.Write([]byte("again"))
	expect(t, r.nearClient, []byte("again"))
}

// A session ends its relay at once when it was told to before it began.
func TestContextThatHasEnded(t *testing.T) {
	r := newRig(t, newGroup(t), false, true)
	r.early = []byte("early")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r.relay(ctx)
	if got := <-r.result; got != (Result{Up: int64(len(r.early))}) {
		t.Errorf("ended with %+v", got)
	}
	expect(t, r.database, r.early)
}

// The end of the context may come as the relay ends by itself, and the loop right after.
func TestContextEndsAsTheStreamDoes(t *testing.T) {
	for i := range 200 {
		group := new(Group)
		r := newRig(t, group, false, false)
		r.start()
		var both sync.WaitGroup
		both.Go(func() { r.client.(*net.TCPConn).CloseWrite() })
		both.Go(func() {
			for range i % 8 {
				runtime.Gosched()
			}
			r.cancel()
		})
		if got := <-r.result; got.Refused || got.Ended == Down {
			t.Fatalf("ended with %+v", got)
		}
		group.Close()
		both.Wait()
		r.nearClient.SetDeadline(time.Now().Add(time.Minute)) // an ordinary conn again
		if _, err := r.nearClient.Read(make([]byte, 1)); err != io.EOF {
			t.Fatalf("reading after the relay: %v", err)
		}
		for _, c := range []net.Conn{r.client, r.database, r.nearClient, r.nearDatabase} {
			c.Close()
		}
	}
}

func TestAliveNoticesALoopThatIsStuck(t *testing.T) {
	group := newGroup(t)
	if err := group.Alive(t.Context()); err != nil {
		t.Errorf("without a loop: %v", err)
	}
	r := newRig(t, group, false, false)
	stuck, goOn := make(chan struct{}), make(chan struct{})
	r.seen = func([]byte) { close(stuck); <-goOn }
	r.start()
	if err := group.Alive(t.Context()); err != nil {
		t.Errorf("with a loop that waits: %v", err)
	}
	if _, err := r.client.Write([]byte("question")); err != nil {
		t.Fatal(err)
	}
	<-stuck
	soon, stop := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, errors.New("stuck"))
	defer stop()
	if err := group.Alive(soon); err == nil || err.Error() != "stuck" {
		t.Errorf("with a loop that is stuck: %v", err)
	}
	close(goOn)
	expect(t, r.database, []byte("question"))
	if err := group.Alive(t.Context()); err != nil {
		t.Errorf("when it goes on: %v", err)
	}
}
