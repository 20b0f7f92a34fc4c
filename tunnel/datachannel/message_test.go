package datachannel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
)

// Every vector is proved, but for the bare smux frames, which are no messages
// (tunnel/mux has them), and the text frame, which opens a websocket.
func TestVectorsAreReadAndMade(t *testing.T) {
	seen := 0
	for _, v := range readVectors(t).Vectors {
		if strings.HasPrefix(v.Name, "smux_") || strings.HasPrefix(v.Name, "client_open_") {
			continue
		}
		seen++
		t.Run(v.Name, func(t *testing.T) {
			frame := v.frame(t)
			m, err := Parse(frame)
			if strings.HasPrefix(v.Name, "negative_") {
				want := ErrMalformed
				if v.Name == "negative_bad_digest" {
					want = ErrDigest
				}
				if !errors.Is(err, want) {
					t.Fatalf("Parse gives %v, want %v", err, want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			in := v.Inputs
			if m.Type != in.MessageType || m.Created != in.CreatedDateMillis || m.Seq != in.SequenceNumber ||
				m.Flags != in.Flags || m.ID.String() != in.MessageID || uint32(m.PayloadType) != in.PayloadType {
				t.Errorf("got %+v, want %+v", m, in)
			}
			if m.Schema != 1 || in.SchemaVersion != nil && *in.SchemaVersion != m.Schema {
				t.Errorf("schema is %d", m.Schema)
			}
			if want := v.payload(t); !bytes.Equal(m.Payload, want) {
				t.Errorf("payload is %q, want %q", m.Payload, want)
			}
			if in.HeaderLength == 112 {
				return // a form that only the service makes
			}
			if got := Append(nil, &m); !bytes.Equal(got, frame) {
				t.Errorf("Append makes\n%x, want\n%x", got, frame)
			}
			if got := Append([]byte("before"), &m); !bytes.Equal(got, append([]byte("before"), frame...)) {
				t.Errorf("Append to bytes makes\n%x", got)
			}
		})
	}
	if seen < 20 {
		t.Errorf("%d vectors were proved, want at least 20", seen)
	}
}

func TestAcknowledgeVector(t *testing.T) {
	want := readVectors(t).named(t, "client_acknowledge_seq7")
	id := UUID{0xdd, 0x01, 0xe5, 0x6b, 0xff, 0x48, 0x48, 0x3e, 0xa5, 0x08, 0xb5, 0xf0, 0x73, 0xf3, 0x1b, 0x16}
	acked := UUID{0x0f, 0x0e, 0x0d, 0x0c, 0x0b, 0x0a, 0x49, 0x08, 0x87, 0x06, 5, 4, 3, 2, 1, 0}
	if got := appendAcknowledge(nil, id, 1503434274948, acked, 7); !bytes.Equal(got, want) {
		t.Errorf("got\n%q, want\n%q", got, want)
	}
}

func TestAcknowledgeNumber(t *testing.T) {
	const id = "dd01e56b-ff48-483e-a508-b5f073f31b16"
	usual := func(seq string) string {
		return `{"AcknowledgedMessageType":"input_stream_data","AcknowledgedMessageId":"` + id +
			`","AcknowledgedMessageSequenceNumber":` + seq + `,"IsSequentialMessage":true}`
	}
	tests := []struct {
		payload string
		want    int64
		usual   bool
		wantErr bool
	}{
		{payload: usual("0"), want: 0, usual: true},
		{payload: usual("7"), want: 7, usual: true},
		{payload: usual("999999999999999999"), want: 999999999999999999, usual: true},
		{payload: usual("9223372036854775807"), want: 9223372036854775807},
		{payload: usual("9223372036854775808"), wantErr: true},
		{payload: usual("-1"), wantErr: true},
		{payload: usual("07"), wantErr: true},
		{payload: usual(""), wantErr: true},
		{payload: usual("1.5"), wantErr: true},
		{payload: `{"AcknowledgedMessageSequenceNumber": 12}`, want: 12},
		{payload: ` { "Extra": {}, "AcknowledgedMessageSequenceNumber": 3 } `, want: 3},
		{payload: `{}`, wantErr: true},
		{payload: `null`, wantErr: true},
		{payload: ``, wantErr: true},
		{payload: `{"AcknowledgedMessageSequenceNumber":"3"}`, wantErr: true},
	}
	for _, test := range tests {
		got, err := parseAcknowledge([]byte(test.payload))
		if got != test.want || (err != nil) != test.wantErr || err != nil && !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %d and %v, want %d, error %v", test.payload, got, err, test.want, test.wantErr)
		}
		if _, ok := parseUsualAcknowledge([]byte(test.payload)); ok != test.usual {
			t.Errorf("%s: usual %v, want %v", test.payload, ok, test.usual)
		}
	}
	m, err := Parse(readVectors(t).named(t, "agent_acknowledge_seq0"))
	if err != nil {
		t.Fatal(err)
	}
	if seq, ok := parseUsualAcknowledge(m.Payload); seq != 0 || !ok {
		t.Errorf("the agent's own acknowledge: got %d, usual %v", seq, ok)
	}
}

// Each case changes one thing of a message that is good.
func TestParseRefuses(t *testing.T) {
	good := readVectors(t).named(t, "client_input_stream_data_10B_seq0")
	tests := []struct {
		name   string
		change func(b []byte) []byte
		want   error
	}{
		{"nothing", func(b []byte) []byte { return nil }, ErrMalformed},
		{"115 bytes", func(b []byte) []byte { return b[:115] }, ErrMalformed},
		{"header of 116 in 119 bytes", func(b []byte) []byte { return b[:119] }, ErrMalformed},
		{"header length 111", func(b []byte) []byte { b[3] = 111; return b }, ErrMalformed},
		{"header length 113", func(b []byte) []byte { b[3] = 113; return b }, ErrMalformed},
		{"header length beyond 2 GiB", func(b []byte) []byte { b[0] = 0xff; return b }, ErrMalformed},
		{"header length 2^32-1", func(b []byte) []byte { copy(b, "\xff\xff\xff\xff"); return b }, ErrMalformed},
		{"header of 112 with the payload length elsewhere", func(b []byte) []byte { b[3] = 112; return b }, ErrMalformed},
		{"type of spaces", func(b []byte) []byte { copy(b[4:36], strings.Repeat(" ", 32)); return b }, ErrMalformed},
		{"type of NULs", func(b []byte) []byte { clear(b[4:36]); return b }, ErrMalformed},
		{"no date", func(b []byte) []byte { clear(b[40:48]); return b }, ErrMalformed},
		{"payload length too small", func(b []byte) []byte { b[119]--; return b }, ErrMalformed},
		{"payload length too big", func(b []byte) []byte { b[119]++; return b }, ErrMalformed},
		{"one byte more", func(b []byte) []byte { return append(b, 0) }, ErrMalformed},
		{"digest", func(b []byte) []byte { b[80] ^= 1; return b }, ErrDigest},
	}
	for _, test := range tests {
		b := test.change(bytes.Clone(good))
		before := bytes.Clone(b)
		if m, err := Parse(b); !errors.Is(err, test.want) {
			t.Errorf("%s: got %+v and %v, want %v", test.name, m, err, test.want)
		}
		if !bytes.Equal(b, before) {
			t.Errorf("%s: Parse has written to its input", test.name)
		}
	}
}

func TestParseTakes(t *testing.T) {
	vectors := readVectors(t)
	good := vectors.named(t, "client_input_stream_data_10B_seq0")
	pause := vectors.named(t, "service_pause_publication")
	longer := func(b []byte) []byte { // a header of 120 bytes: a field that we do not know
		b = append(bytes.Clone(b[:116]), append([]byte("new!"), b[116:]...)...)
		binary.BigEndian.PutUint32(b, 120)
		return b
	}
	nul := func(b []byte) []byte { return bytes.Replace(b, []byte(strings.Repeat(" ", 15)), make([]byte, 15), 1) }
	tests := []struct {
		name    string
		frame   []byte
		want    string
		payload int
	}{
		{"header of 120 bytes", longer(good), TypeInput, 10},
		{"type padded with NULs", nul(good), TypeInput, 10},
		{"no payload", Append(nil, &Message{Type: TypeOutput, Created: 1}), TypeOutput, 0},
		{"pause without date", func() []byte { b := bytes.Clone(pause); clear(b[40:48]); return b }(), TypePausePublication, 0},
		{"pause with a payload unlike its digest and length", append(bytes.Clone(pause), "what"...), TypePausePublication, 4},
		{"pause in 116 bytes", func() []byte { b := bytes.Clone(pause)[:116]; b[3] = 112; return b }(), TypePausePublication, 0},
	}
	for _, test := range tests {
		m, err := Parse(test.frame)
		if err != nil || m.Type != test.want || len(m.Payload) != test.payload {
			t.Errorf("%s: got %q, %d bytes and %v, want %q and %d bytes", test.name, m.Type, len(m.Payload), err, test.want, test.payload)
		}
	}
}

func TestNewUUIDIsVersion4(t *testing.T) {
	a, b := NewUUID(), NewUUID()
	if a == b {
		t.Errorf("the same UUID twice: %v", a)
	}
	for _, u := range []UUID{a, b} {
		if s := u.String(); len(s) != 36 || s[14] != '4' || !strings.ContainsRune("89ab", rune(s[19])) {
			t.Errorf("%s is not a UUID of version 4", s)
		}
	}
}
