package datachannel

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"
)

// vector is one of testdata/ssm-vectors.json: bytes made by the official
// serializers of both peers.
type vector struct {
	Name   string
	Hex    string
	Inputs struct {
		CreatedDateMillis uint64
		Flags             uint64
		MessageID         string `json:"messageId"`
		MessageType       string
		PayloadHex        string
		PayloadText       string
		PayloadType       uint32
		SchemaVersion     *uint32
		SequenceNumber    int64
		HeaderLength      int
	}
}

type vectorFile struct {
	Vectors   []vector
	AgentGate []struct {
		AgentVersion                string
		ClientUsesMux               bool
		ClientDisablesSmuxKeepalive bool
	} `json:"official_client_gate_on_agent_version"`
}

func readVectors(t testing.TB) vectorFile {
	t.Helper()
	b, err := os.ReadFile("testdata/ssm-vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var f vectorFile
	if err := json.Unmarshal(b, &f); err != nil {
		t.Fatal(err)
	}
	if len(f.Vectors) == 0 || len(f.AgentGate) == 0 {
		t.Fatal("testdata/ssm-vectors.json holds no vectors")
	}
	return f
}

func (v vector) frame(t testing.TB) []byte { return unhex(t, v.Hex) }

func (v vector) payload(t testing.TB) []byte {
	if v.Inputs.PayloadText != "" {
		return []byte(v.Inputs.PayloadText)
	}
	return unhex(t, v.Inputs.PayloadHex)
}

// named returns the bytes of one vector.
func (f vectorFile) named(t testing.TB, name string) []byte {
	t.Helper()
	for _, v := range f.Vectors {
		if v.Name == name {
			return v.frame(t)
		}
	}
	t.Fatalf("no vector %s", name)
	return nil
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatalf("hex %q: %v", s, err)
	}
	return b
}
