package mux

import (
	"errors"
	"io"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func TestDeliverInAnySplit(t *testing.T) {
	input := wire(
		wireFrame{psh, 3, "hello "}, wireFrame{nop, 0, ""}, wireFrame{psh, 5, "other"},
		wireFrame{psh, 3, ""}, wireFrame{psh, 3, "world"}, wireFrame{fin, 3, ""},
	)
	for size := 1; size <= len(input); size++ {
		m := New(Config{})
		a, b := mustOpen(t, m), mustOpen(t, m)
		drain(t, m, 64)
		for part := range slices.Chunk(input, size) {
			if err := m.Deliver(part); err != nil {
				t.Fatalf("size %d: Deliver: %v", size, err)
			}
		}
		got, err := io.ReadAll(a)
		if string(got) != "hello world" || err != nil {
			t.Errorf("size %d: stream 3 read %q, %v, want \"hello world\"", size, got, err)
		}
		if got, err := readNow(b); got != "other" || err != nil {
			t.Errorf("size %d: stream 5 read %q, %v, want \"other\"", size, got, err)
		}
	}
}

func TestDeliverKeepsNothingOfItsInput(t *testing.T) {
	m := New(Config{})
	s := mustOpen(t, m)
	drain(t, m, 64)
	input := wire(wireFrame{psh, 3, "hello"})
	if err := m.Deliver(input); err != nil {
		t.Fatal(err)
	}
	clear(input)
	if got, err := readNow(s); got != "hello" {
		t.Errorf("read %q, %v after the input was overwritten, want \"hello\"", got, err)
	}
}

func TestFramesForOthersAreIgnored(t *testing.T) {
	m := New(Config{})
	s := mustOpen(t, m)
	drain(t, m, 64)
	unborn := mustOpen(t, m) // its SYN is still queued
	mustDeliver(t, m,
		wireFrame{psh, 99, "nobody"}, wireFrame{fin, 99, ""}, wireFrame{psh, 4, "even"}, wireFrame{psh, 0, "zero"},
		wireFrame{syn, 3, ""}, wireFrame{syn, 4, ""}, wireFrame{fin, 4, ""},
		wireFrame{psh, unborn.id, "early"}, wireFrame{fin, unborn.id, ""},
		wireFrame{psh, 3, "mine"},
	)
	if got, err := readNow(s); got != "mine" || err != nil {
		t.Errorf("stream 3 read %q, %v, want \"mine\"", got, err)
	}
	if got, err := readNow(unborn); got != "" || !isTimeout(err) {
		t.Errorf("a stream not yet sent read %q, %v, want nothing", got, err)
	}
	got := m.Stats()
	got.LongestWait = 0 // by the wall clock
	if want := (Stats{Streams: 2, Waiting: 1, Known: 2, Received: 23}); got != want {
		t.Errorf("Stats = %+v, want %+v", got, want)
	}
}

func TestBrokenProtocolFailsEverything(t *testing.T) {
	for _, bad := range [][]byte{
		{2, 2, 5, 0, 3, 0, 0, 0}, // version 2
		{1, 4, 8, 0, 3, 0, 0, 0}, // UPD
		{1, 1, 1, 0, 3, 0, 0, 0}, // FIN with data
	} {
		m := New(Config{})
		s := mustOpen(t, m)
		drain(t, m, 64)
		mustDeliver(t, m, wireFrame{psh, 3, "before"})
		err := m.Deliver(bad)
		if !errors.Is(err, ErrProtocol) {
			t.Errorf("Deliver(%x): %v, want ErrProtocol", bad, err)
		}
		if again := m.Deliver(wire(wireFrame{nop, 0, ""})); again != err {
			t.Errorf("Deliver after that: %v, want %v", again, err)
		}
		if got, err := readNow(s); got != "before" || err != nil {
			t.Errorf("read %q, %v, want what came before", got, err)
		}
		if _, err := readNow(s); !errors.Is(err, ErrProtocol) || !errors.Is(err, ErrClosed) {
			t.Errorf("then Read: %v, want ErrClosed and ErrProtocol", err)
		}
		if _, err := s.Write([]byte("x")); !errors.Is(err, ErrProtocol) {
			t.Errorf("Write: %v, want ErrProtocol", err)
		}
		if _, err := m.OpenStream(); !errors.Is(err, ErrProtocol) || !errors.Is(err, ErrClosed) {
			t.Errorf("OpenStream: %v, want ErrClosed and ErrProtocol", err)
		}
	}
}

func TestAgentFINDrainsThenEnds(t *testing.T) {
	m := New(Config{})
	s := mustOpen(t, m)
	drain(t, m, 64)
	mustWrite(t, s, "never to be read")
	mustDeliver(t, m, wireFrame{psh, 3, "last words"}, wireFrame{fin, 3, ""}, wireFrame{psh, 3, "late"}, wireFrame{fin, 3, ""})
	if got, err := io.ReadAll(s); string(got) != "last words" || err != nil {
		t.Errorf("read %q, %v, want \"last words\" and the end", got, err)
	}
	if n, err := s.Write([]byte("x")); n != 0 || !errors.Is(err, ErrPeerClosed) || !errors.Is(err, syscall.EPIPE) {
		t.Errorf("Write = %d, %v, want ErrPeerClosed, an EPIPE", n, err)
	}
	if got := drain(t, m, 64); len(got) != 0 {
		t.Errorf("sent %v after the agent's FIN, want nothing", got)
	}
	s.Close()
	if got, want := drain(t, m, 64), []wireFrame{{fin, 3, ""}}; !slices.Equal(got, want) {
		t.Errorf("Close sent %v, want %v", got, want)
	}
	if known(m) != 0 {
		t.Errorf("%d streams known after both FINs, want 0", known(m))
	}
}

func TestOurFINKeepsTheIDUntilTheAgents(t *testing.T) {
	m := New(Config{})
	s := mustOpen(t, m)
	mustWrite(t, s, "query")
	s.Close()
	want := []wireFrame{{syn, 3, ""}, {psh, 3, "query"}, {fin, 3, ""}}
	if got := drain(t, m, 64); !slices.Equal(got, want) {
		t.Errorf("sent %v, want %v", got, want)
	}
	mustDeliver(t, m, wireFrame{psh, 3, strings.Repeat("late", 1000)})
	if m.streams[3] == nil || s.in.len() != 0 {
		t.Errorf("before the agent's FIN: known %v, %d bytes kept, want known and none", m.streams[3] != nil, s.in.len())
	}
	mustDeliver(t, m, wireFrame{fin, 3, ""})
	if known(m) != 0 {
		t.Errorf("%d streams known after both FINs, want 0", known(m))
	}
}

func TestWaitingStreamsAreBounded(t *testing.T) {
	m := New(Config{MaxWaiting: 4})
	var all []*Stream
	for range 4 {
		all = append(all, mustOpen(t, m))
	}
	refused := func(when string) {
		t.Helper()
		if _, err := m.OpenStream(); err != ErrTooMany {
			t.Errorf("%s: OpenStream: %v, want ErrTooMany", when, err)
		}
	}
	refused("four waiting")
	drain(t, m, 64)
	all[0].Close()
	drain(t, m, 64)
	refused("one of them closed, still in the agent's queue")

	mustDeliver(t, m, wireFrame{fin, all[0].id, ""})
	unsent := mustOpen(t, m)
	refused("after a FIN and another")
	unsent.Close() // before its SYN has left
	mustOpen(t, m)
	refused("after a Close before SYN and another")
	mustDeliver(t, m, wireFrame{psh, all[1].id, "x"})
	mustOpen(t, m)
	refused("after a byte and another")
	if got := New(Config{}).cfg.MaxWaiting; got != 64 {
		t.Errorf("default MaxWaiting is %d, want 64", got)
	}
}

func TestConnectFailedIsAttributed(t *testing.T) {
	m := New(Config{})
	var s []*Stream
	for range 5 {
		s = append(s, mustOpen(t, m))
	}
	drain(t, m, 64)
	mustWrite(t, s[1], "query")
	mustDeliver(t, m, wireFrame{psh, s[0].id, "connected"})
	m.ConnectFailed()
	m.ConnectFailed() // both before their FINs
	mustDeliver(t, m,
		wireFrame{fin, s[0].id, ""}, // has had data: an ordinary end
		wireFrame{fin, s[1].id, ""},
		wireFrame{fin, s[1].id, ""}, // must not take the second flag
		wireFrame{fin, s[2].id, ""},
		wireFrame{fin, s[3].id, ""}, // no flag left
	)
	if got, err := io.ReadAll(s[0]); string(got) != "connected" || err != nil {
		t.Errorf("connected stream read %q, %v, want its data and the end", got, err)
	}
	for _, s := range s[1:3] {
		if _, err := readNow(s); err != ErrConnect {
			t.Errorf("%v: Read: %v, want ErrConnect", s.LocalAddr(), err)
		}
		if _, err := s.Write([]byte("x")); err != ErrConnect {
			t.Errorf("%v: Write: %v, want ErrConnect", s.LocalAddr(), err)
		}
	}
	if _, err := readNow(s[3]); err != io.EOF {
		t.Errorf("stream without flag: Read: %v, want io.EOF", err)
	}
	if _, err := readNow(s[4]); !isTimeout(err) {
		t.Errorf("stream still open: Read: %v, want nothing yet", err)
	}
	for _, s := range s[:4] {
		s.Close()
	}
	drain(t, m, 1024)
	if known(m) != 1 {
		t.Errorf("%d streams known, want the open one", known(m))
	}
}

func TestSlowReaderFailsAlone(t *testing.T) {
	const limit = 10000
	m := New(Config{MaxStreamBuffer: limit})
	slow, other := mustOpen(t, m), mustOpen(t, m)
	drain(t, m, 64)
	mustDeliver(t, m, wireFrame{psh, slow.id, strings.Repeat("x", limit)})
	if slow.err != nil {
		t.Errorf("at the limit: %v, want no error", slow.err)
	}
	mustDeliver(t, m, wireFrame{psh, slow.id, "x"}, wireFrame{psh, slow.id, "more"}, wireFrame{psh, other.id, "fine"})
	if _, err := readNow(slow); err != ErrStreamOverflow {
		t.Errorf("Read over the limit: %v, want ErrStreamOverflow", err)
	}
	if _, err := slow.Write([]byte("x")); err != ErrStreamOverflow {
		t.Errorf("Write over the limit: %v, want ErrStreamOverflow", err)
	}
	if slow.in.head != nil {
		t.Error("the failed stream still holds memory")
	}
	if got, err := readNow(other); got != "fine" || err != nil {
		t.Errorf("other stream read %q, %v, want \"fine\"", got, err)
	}
	if got, want := drain(t, m, 64), []wireFrame{{fin, slow.id, ""}}; !slices.Equal(got, want) {
		t.Errorf("sent %v, want %v", got, want)
	}
	slow.Close()
	if got := drain(t, m, 64); len(got) != 0 {
		t.Errorf("Close sent %v after the FIN, want nothing", got)
	}
	mustDeliver(t, m, wireFrame{fin, slow.id, ""})
	if m.streams[slow.id] != nil {
		t.Error("the failed stream is known after both FINs")
	}
}

func TestIdleStreamsHoldNoBuffers(t *testing.T) {
	m := New(Config{})
	s := mustOpen(t, m)
	mustWrite(t, s, strings.Repeat("x", 60000))
	drain(t, m, 1024)
	mustDeliver(t, m, wireFrame{psh, s.id, strings.Repeat("y", 60000)})
	if got, err := readNow(s); len(got) != 60000 {
		t.Fatalf("read %d bytes, %v, want 60000", len(got), err)
	}
	if s.in.head != nil || s.in.tail != nil || s.out.head != nil || s.out.tail != nil {
		t.Error("a drained stream holds chunks")
	}

	runtime.GC()
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const streams = 1000
	keep := make([]*Stream, streams)
	m = New(Config{MaxWaiting: streams})
	for i := range keep {
		keep[i] = mustOpen(t, m)
	}
	drain(t, m, 1024)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if each := int64(after.HeapAlloc-before.HeapAlloc) / streams; each > 2048 {
		t.Errorf("an idle stream takes %d bytes, want at most 2048", each)
	}
	runtime.KeepAlive(keep)
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

func TestUnansweredBytes(t *testing.T) {
	m := New(Config{})
	want := func(when string, n int) {
		t.Helper()
		if got := m.Unanswered(); got != n {
			t.Errorf("%s: %d bytes unanswered, want %d", when, got, n)
		}
	}
	a, b := mustOpen(t, m), mustOpen(t, m)
	mustWrite(t, a, "12345")
	mustWrite(t, b, "123")
	want("queued", 0)
	drain(t, m, 64)
	want("sent", 8)
	mustWrite(t, a, "12")
	drain(t, m, 64)
	want("more sent", 10)
	mustDeliver(t, m, wireFrame{psh, 3, "answer"})
	want("one answered", 3)
	b.Close()
	drain(t, m, 64)
	mustDeliver(t, m, wireFrame{psh, 9, "nobody's"})
	want("closed, but its bytes may still lie at the agent", 3)
	mustDeliver(t, m, wireFrame{fin, 5, ""})
	want("ended", 0)
	mustWrite(t, a, "1234")
	drain(t, m, 64)
	m.Fail(errors.New("over"))
	want("failed", 0)
}
