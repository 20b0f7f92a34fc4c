package mux

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"testing"
)

// vector is a recorded frame of the genuine library.
type vector struct {
	Name   string
	Inputs struct {
		Version    int
		Cmd        command
		Length     int
		StreamID   uint32 `json:"streamId"`
		Data       string
		PayloadHex string `json:"payloadHex"`
	}
	Hex string
}

func vectors(t *testing.T) map[string]vector {
	t.Helper()
	b, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Vectors []vector }
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	all := make(map[string]vector)
	for _, v := range file.Vectors {
		all[v.Name] = v
	}
	if len(all) < 8 {
		t.Fatalf("testdata has %d vectors, want 8", len(all))
	}
	return all
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestHeaderMatchesVectors(t *testing.T) {
	for name, v := range vectors(t) {
		if v.Inputs.PayloadHex != "" {
			continue // a whole message: TestFillMatchesVectors
		}
		t.Run(name, func(t *testing.T) {
			want := unhex(t, v.Hex)
			h := header{command: v.Inputs.Cmd, length: v.Inputs.Length, stream: v.Inputs.StreamID}
			got := make([]byte, headerSize)
			h.put(got)
			if !bytes.Equal(got, want[:headerSize]) {
				t.Errorf("put(%+v) = %x, want %x", h, got, want[:headerSize])
			}
			back, err := parseHeader([headerSize]byte(want))
			if err != nil || back != h {
				t.Errorf("parseHeader(%x) = %+v, %v, want %+v", want[:headerSize], back, err, h)
			}
			if string(want[headerSize:]) != v.Inputs.Data {
				t.Errorf("data = %q, want %q", want[headerSize:], v.Inputs.Data)
			}
		})
	}
}

func TestHeaderRefusesWhatVersion1DoesNotHave(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   [headerSize]byte
	}{
		{"version 0", [headerSize]byte{0, 2, 1, 0, 3}},
		{"version 2", [headerSize]byte{2, 2, 1, 0, 3}},
		{"command UPD", [headerSize]byte{1, 4, 8, 0, 3}},
		{"command 255", [headerSize]byte{1, 255, 0, 0, 3}},
		{"SYN with data", [headerSize]byte{1, 0, 1, 0, 3}},
		{"FIN with data", [headerSize]byte{1, 1, 0, 1, 3}},
		{"NOP with data", [headerSize]byte{1, 3, 8, 0, 0}},
	} {
		if h, err := parseHeader(tt.in); !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: parseHeader(%x) = %+v, %v, want ErrProtocol", tt.name, tt.in, h, err)
		}
	}
}

func FuzzHeader(f *testing.F) {
	for _, seed := range []string{
		"0100000003000000", "0102008003000000", "0101000003000000", "0103000000000000", "0204080003000000", "ffffffffffffffff",
	} {
		b, _ := hex.DecodeString(seed)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < headerSize {
			return
		}
		h, err := parseHeader([headerSize]byte(b))
		if err != nil {
			if !errors.Is(err, ErrProtocol) {
				t.Errorf("parseHeader(%x): %v, want ErrProtocol", b[:headerSize], err)
			}
			return
		}
		got := make([]byte, headerSize)
		h.put(got)
		if !bytes.Equal(got, b[:headerSize]) {
			t.Errorf("parseHeader(%x) put back gives %x", b[:headerSize], got)
		}
	})
}
