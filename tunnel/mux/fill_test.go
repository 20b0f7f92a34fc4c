package mux

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestFillMatchesVectors(t *testing.T) {
	vs := vectors(t)
	m := New(Config{})
	fillIs := func(what, want string) {
		t.Helper()
		p := make([]byte, 1024)
		if got := p[:m.Fill(p)]; !bytes.Equal(got, unhex(t, want)) {
			t.Errorf("%s: Fill gives %x, want %s", what, got, want)
		}
	}

	m.SendNOP()
	m.SendNOP()
	fillIs("NOP", vs["smux_nop"].Hex)

	message := vs["client_mux_syn_plus_data_in_one_message"]
	s := mustOpen(t, m)
	mustWrite(t, s, "hello")
	if !strings.HasSuffix(message.Hex, message.Inputs.PayloadHex) {
		t.Fatal("the message does not end in its payload")
	}
	fillIs("SYN and data", message.Inputs.PayloadHex)

	mustWrite(t, s, "hello")
	fillIs("PSH", vs["smux_psh_hello"].Hex)

	s.Close()
	fillIs("FIN", vs["smux_fin_first_stream"].Hex)

	mustOpen(t, m)
	fillIs("second SYN", vs["smux_syn_second_stream"].Hex)
	fillIs("nothing", "")
}

func TestFillSplitsAsTheLibraryDoes(t *testing.T) {
	vs := vectors(t)
	m := New(Config{})
	s := mustOpen(t, m)
	m.Fill(make([]byte, 64))
	mustWrite(t, s, strings.Repeat("x", 40000))
	p := make([]byte, 64<<10)
	p = p[:m.Fill(p)]
	a, b := unhex(t, vs["smux_psh_40000B_header_a"].Hex), unhex(t, vs["smux_psh_40000B_header_b"].Hex)
	if len(p) != 40016 || !bytes.HasPrefix(p, a) || !bytes.HasPrefix(p[8+32768:], b) {
		t.Errorf("40,000 bytes became %d, beginning %x, want headers %x and %x", len(p), p[:8], a, b)
	}
}

func TestFillTakesNOPAloneIntoEightBytes(t *testing.T) {
	m := New(Config{})
	mustWrite(t, mustOpen(t, m), "hello")
	m.SendNOP()
	if n := m.Fill(make([]byte, 8)); n != 8 {
		t.Errorf("Fill of 8 bytes = %d, want the NOP's 8", n)
	}
	if n := m.Fill(make([]byte, 8)); n != 0 {
		t.Errorf("second Fill of 8 bytes = %d, want 0", n)
	}
	if got, want := drain(t, m, 64), []wireFrame{{syn, 3, ""}, {psh, 3, "hello"}}; !slices.Equal(got, want) {
		t.Errorf("then %v, want %v", got, want)
	}
}

func TestFillPacksStreamsTogether(t *testing.T) {
	m := New(Config{})
	for range 3 {
		mustWrite(t, mustOpen(t, m), "hello")
	}
	p := make([]byte, 1024)
	var in parser
	got, err := in.parse(p[:m.Fill(p)])
	want := []wireFrame{
		{syn, 3, ""}, {psh, 3, "hello"}, {syn, 5, ""}, {psh, 5, "hello"}, {syn, 7, ""}, {psh, 7, "hello"},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("one Fill gives %v, %v, want %v", got, err, want)
	}
}

// Every size of p must give the same bytes per stream, in order, as valid frames.
func TestFillLosesNothingForAnySize(t *testing.T) {
	for _, size := range []int{64, 65, 71, 72, 73, 127, 128, 1000, 1024, 1536, 32 << 10, 1 << 20} {
		rng := rand.New(rand.NewPCG(uint64(size), 2))
		m := New(Config{})
		streams := make([]*Stream, 5)
		for i := range streams {
			streams[i] = mustOpen(t, m)
		}
		want := make(map[uint32]string)
		got := make(map[uint32]string)
		var in parser
		take := func() int {
			p := make([]byte, size)
			n := m.Fill(p)
			frames, err := in.parse(p[:n])
			if err != nil || len(in.rest) > 0 {
				t.Fatalf("size %d: %v, %d bytes of a frame", size, err, len(in.rest))
			}
			for _, f := range frames {
				got[f.id] += f.data
			}
			return n
		}
		for range 200 {
			s := streams[rng.IntN(len(streams))]
			data := make([]byte, 1+rng.IntN(1500))
			for i := range data {
				data[i] = byte(rng.Uint32())
			}
			for s.out.len()+len(data) > m.cfg.MaxSendBuffer {
				take()
			}
			mustWrite(t, s, string(data))
			want[s.id] += string(data)
			if rng.IntN(2) == 0 {
				take()
			}
		}
		for _, s := range streams {
			s.Close()
		}
		for take() > 0 {
		}
		for _, s := range streams {
			if got[s.id] != want[s.id] {
				t.Errorf("size %d: stream %d gave %d bytes, want %d, or others", size, s.id, len(got[s.id]), len(want[s.id]))
			}
			if in.state[s.id] != fin {
				t.Errorf("size %d: stream %d ended with command %d, want FIN", size, s.id, in.state[s.id])
			}
		}
	}
}

func TestStreamsTakeFairTurns(t *testing.T) {
	const size, bulk = 1024, 4
	m := New(Config{MaxSendBuffer: 1 << 20})
	for range bulk {
		mustWrite(t, mustOpen(t, m), strings.Repeat("b", 1<<20))
	}
	p := make([]byte, size)
	sent := make(map[uint32]int)
	var in parser
	fill := func() (small bool) {
		frames, err := in.parse(p[:m.Fill(p)])
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range frames {
			sent[f.id] += len(f.data)
			small = small || f.data == "small"
		}
		least, most := sent[3], sent[3]
		for id := uint32(5); id < 3+2*bulk; id += 2 {
			least, most = min(least, sent[id]), max(most, sent[id])
		}
		if most-least > size {
			t.Fatalf("bulk streams are %d bytes apart, want at most %d", most-least, size)
		}
		return small
	}
	s := mustOpen(t, m)
	for i := range 50 {
		fills := 1
		mustWrite(t, s, "small")
		for !fill() {
			fills++
		}
		if fills > bulk+1 {
			t.Errorf("write %d left after %d Fills, want at most %d", i, fills, bulk+1)
		}
	}
}

func TestReadySaysWhenThereIsSomething(t *testing.T) {
	m := New(Config{})
	said := func() bool {
		select {
		case <-m.Ready():
			return true
		default:
			return false
		}
	}
	s := mustOpen(t, m)
	if said() {
		t.Error("Ready after OpenStream, want the SYN to wait for data")
	}
	mustWrite(t, s, strings.Repeat("x", 2000))
	if !said() {
		t.Error("not Ready after Write")
	}
	m.Fill(make([]byte, 1024))
	if !said() {
		t.Error("not Ready after a Fill that left something")
	}
	drain(t, m, 1024)
	said()
	s.Close()
	if !said() {
		t.Error("not Ready after Close")
	}
	drain(t, m, 1024)
	m.SendNOP()
	if !said() {
		t.Error("not Ready after SendNOP")
	}
}

func TestIDsAreUsedOnce(t *testing.T) {
	m := New(Config{})
	m.nextID = 1<<32 - 1
	s := mustOpen(t, m)
	if s.id != 1<<32-1 {
		t.Errorf("last id is %d, want %d", s.id, uint32(1<<32-1))
	}
	if _, err := m.OpenStream(); err != ErrIDsExhausted {
		t.Errorf("OpenStream after the last id: %v, want ErrIDsExhausted", err)
	}
}
