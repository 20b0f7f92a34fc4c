package awsemu

import (
	"encoding/hex"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestCBORVectors holds the codec to examples of RFC 8949, appendix A, and to a
// request as the SDK makes it (indefinite maps and lists).
func TestCBORVectors(t *testing.T) {
	for text, want := range map[string]any{
		"00": uint64(0), "17": uint64(23), "1818": uint64(24), "1903e8": uint64(1000), "1a000f4240": uint64(1000000),
		"20": int64(-1), "3903e7": int64(-1000),
		"fb3ff199999999999a": 1.1, "fa47c35000": 100000.0, "f4": false, "f5": true, "f6": nil,
		"c11a514b67b0": time.Unix(1363896240, 0), "c1fb41d452d9ec200000": time.UnixMilli(1363896240500),
		"60": "", "6449455446": "IETF", "4401020304": []byte{1, 2, 3, 4},
		"83010203":         []any{uint64(1), uint64(2), uint64(3)},
		"9f018202039fffff": []any{uint64(1), []any{uint64(2), uint64(3)}, []any{}},
		"bf6346756ef563416d7421ff": map[string]any{
			"Fun": true, "Amt": int64(-2),
		},
	} {
		b, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeCBOR(b)
		if at, ok := got.(time.Time); ok && err == nil && at.Equal(want.(time.Time)) {
			continue
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %#v, %v; want %#v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "18", "62", "6261", "9f01", "a1", "a10102", "1c", "0000", "ff", strings.Repeat("81", 64) + "00", "9bffffffffffffffff00"} {
		b, _ := hex.DecodeString(text)
		if got, err := decodeCBOR(b); err == nil {
			t.Errorf("%s: %#v, want an error", text, got)
		}
	}
}

func FuzzCBOR(f *testing.F) {
	f.Add(encodeCBOR(nil, map[string]any{"a": []any{1, "x", 2.5, true, time.Unix(9, 0)}, "b": strings.Repeat("y", 300)}))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := decodeCBOR(b)
		if err == nil && len(b) == 0 {
			t.Errorf("nothing is %#v", v)
		}
	})
}
