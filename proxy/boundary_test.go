package proxy

import (
	"encoding/binary"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

func TestBoundaryIsFoundHoweverItIsCut(t *testing.T) {
	var rows []byte
	ends := map[int]bool{0: true}
	for i := range 40 {
		rows = append(rows, message('D', make([]byte, i)...)...)
		ends[len(rows)] = true
	}
	for size := 1; size < len(rows)+2; size++ {
		var b boundary
		at := 0
		for p := range chunks(rows, size) {
			b.follow(p)
			if at += len(p); b.between() != ends[at] {
				t.Fatalf("in pieces of %d, after %d bytes: between messages %v, want %v", size, at, b.between(), ends[at])
			}
		}
	}
}

func TestBoundaryKnowsALastError(t *testing.T) {
	words := errorPacket("SERROR", "C42601")
	for _, test := range []struct {
		said []byte
		want bool
	}{
		{nil, false},
		{readyForQuery, false},
		{join(readyForQuery, words), true},
		{join(words, readyForQuery), false},
	} {
		for size := 1; size < len(test.said)+2; size++ {
			var b boundary
			for p := range chunks(test.said, size) {
				b.follow(p)
			}
			if b.failed() != test.want {
				t.Errorf("%q in pieces of %d: failed %v, want %v", test.said, size, b.failed(), test.want)
			}
		}
	}
}

func TestBoundaryOfWhatIsNoMessage(t *testing.T) {
	for _, length := range []uint32{0, 3} {
		var b boundary
		b.follow(join([]byte{'D'}, binary.BigEndian.AppendUint32(nil, length)))
		for range 10 {
			b.follow(readyForQuery)
			if b.between() {
				t.Fatalf("length %d: a boundary behind it", length)
			}
		}
	}
	var b boundary
	b.follow([]byte{'D', 0xff, 0xff, 0xff, 0xff})
	b.follow(make([]byte, 1<<20))
	if want := int64(1<<32 - 1 - 4 - 1<<20); b.between() || b.left != want {
		t.Errorf("%d bytes left of the longest message, want %d", b.left, want)
	}
}

// Against a decoder that copies, cut where the fuzzer says.
func FuzzBoundary(f *testing.F) {
	f.Add(join(readyForQuery, errorPacket("SERROR", "C42601")), uint16(7))
	f.Add(message('D', make([]byte, 300)...), uint16(299))
	f.Add([]byte{'D', 0, 0, 0, 3, 'Z'}, uint16(5))
	f.Fuzz(func(t *testing.T, said []byte, cut uint16) {
		var b boundary
		first := min(int(cut), len(said))
		b.follow(said[:first])
		b.follow(said[first:])
		rest, sound := said, true
		for len(rest) >= headLen && sound {
			length := int64(binary.BigEndian.Uint32(rest[1:headLen]))
			switch {
			case length < 4:
				sound = false
			case length+1 > int64(len(rest)):
				if got := b.left; got != length+1-int64(len(rest)) || b.between() {
					t.Fatalf("%q: %d bytes left, want %d", said, got, length+1-int64(len(rest)))
				}
				return
			default:
				rest = rest[length+1:]
			}
		}
		if want := sound && len(rest) == 0; b.between() != want {
			t.Errorf("%q: between messages %v, want %v", said, b.between(), want)
		}
	})
}

func BenchmarkBoundary(b *testing.B) {
	row, err := (&pgproto3.CopyData{Data: make([]byte, 60)}).Encode(nil)
	if err != nil {
		b.Fatal(err)
	}
	var rows []byte
	for len(rows) < bufferSize {
		rows = append(rows, row...)
	}
	var at boundary
	b.SetBytes(int64(len(rows)))
	b.ReportAllocs()
	for b.Loop() {
		at.follow(rows)
	}
}
