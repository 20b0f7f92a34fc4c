package gateway

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

type vector struct {
	Name   string
	Inputs struct {
		CreatedDateMillis uint64
		Flags             uint64
		MessageID         string `json:"messageId"`
		MessageType       string
		PayloadHex        string
		PayloadText       string
		PayloadType       uint32
		SchemaVersion     uint32
		SequenceNumber    int64
		HeaderLength      uint32
		Text              string
		Version, Cmd      int
	}
	Hex string
}

type vectorFile struct {
	Vectors []vector
	Gate    []struct {
		ClientVersion              string
		AgentUsesMux               bool
		AgentDisablesSmuxKeepalive bool
	} `json:"agent_gate_on_client_version"`
}

func loadVectors(t testing.TB) vectorFile {
	t.Helper()
	text, err := os.ReadFile("testdata/ssm-vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var f vectorFile
	if err := json.Unmarshal(text, &f); err != nil {
		t.Fatal(err)
	}
	if len(f.Vectors) < 30 || len(f.Gate) < 20 {
		t.Fatalf("%d vectors and %d gates", len(f.Vectors), len(f.Gate))
	}
	return f
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestVectors holds the codec to messages of the official serialisers.
func TestVectors(t *testing.T) {
	messages := 0
	for _, v := range loadVectors(t).Vectors {
		if v.Inputs.MessageType == "" {
			continue // text, smux and negative ones
		}
		messages++
		t.Run(v.Name, func(t *testing.T) {
			frame := unhex(t, v.Hex)
			m, err := decode(frame)
			if err != nil {
				t.Fatal(err)
			}
			in := v.Inputs
			if m.kind != in.MessageType || m.id.String() != in.MessageID || m.flags != in.Flags ||
				m.created != in.CreatedDateMillis || m.seq != in.SequenceNumber || !m.digestHolds() {
				t.Errorf("decoded %+v, want %+v", m, in)
			}
			if in.PayloadText != "" && string(m.payload) != in.PayloadText {
				t.Errorf("payload %q, want %q", m.payload, in.PayloadText)
			}
			if in.PayloadHex != "" && hex.EncodeToString(m.payload) != in.PayloadHex {
				t.Errorf("payload %x, want %s", m.payload, in.PayloadHex)
			}
			m.nulPadded = strings.Contains(string(frame[4:36]), "\x00")
			if got := m.encode(); hex.EncodeToString(got) != v.Hex {
				t.Errorf("encoded\n%x, want\n%s", got, v.Hex)
			}
		})
	}
	if messages < 20 {
		t.Errorf("only %d message vectors were run", messages)
	}
}

func TestNegativeVectors(t *testing.T) {
	n := 0
	for _, v := range loadVectors(t).Vectors {
		if !strings.HasPrefix(v.Name, "negative_") {
			continue
		}
		n++
		m, err := decode(unhex(t, v.Hex))
		if err == nil && m.digestHolds() {
			t.Errorf("%s: taken as %+v", v.Name, m)
		}
	}
	if n < 4 {
		t.Errorf("only %d negative vectors", n)
	}
}

func TestVersionGates(t *testing.T) {
	for _, g := range loadVectors(t).Gate {
		mux := usesMux("3.3.1142.0", g.ClientVersion)
		if mux != g.AgentUsesMux {
			t.Errorf("usesMux(%q) = %v", g.ClientVersion, mux)
		}
		if off := mux && !usesKeepAlive("3.3.1142.0", g.ClientVersion); off != g.AgentDisablesSmuxKeepalive {
			t.Errorf("keepalive off for %q = %v", g.ClientVersion, off)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, v := range loadVectors(f).Vectors {
		f.Add(unhex(f, v.Hex))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		m, err := decode(frame)
		if err != nil || m.header != headerFull && m.header != headerShort {
			return
		}
		again, err := decode(m.encode())
		if err != nil {
			t.Fatalf("encoded %+v: %v", m, err)
		}
		if again.kind != m.kind || again.seq != m.seq || again.id != m.id || string(again.payload) != string(m.payload) {
			t.Errorf("round trip of %+v gives %+v", m, again)
		}
	})
}

func FuzzMuxCheck(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 3, 0, 0, 0}, 3)
	f.Add([]byte{1, 2, 5, 0, 3, 0, 0, 0, 'h', 'e', 'l', 'l', 'o'}, 9)
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		var whole, parts muxCheck
		want := whole.check(b) == nil
		cut = min(max(cut, 0), len(b))
		got := parts.check(b[:cut]) == nil
		got = got && parts.check(b[cut:]) == nil
		if want != got {
			t.Errorf("whole %v, cut at %d %v", want, cut, got)
		}
	})
}
