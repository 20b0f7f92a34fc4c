package awsemu

import (
	"encoding/binary"
	"errors"
	"maps"
	"math"
	"slices"
	"time"
)

// The part of CBOR that the rpc-v2-cbor protocol uses, written from RFC 8949.
//
// Decoded are uint64 and int64, float64, bool, string, []byte, time.Time (tag
// 1), []any, map[string]any, and nil.

// Major types, and the additional information that says "until a break".
const (
	cborUint = iota
	cborNegative
	cborBytes
	cborText
	cborArray
	cborMap
	cborTag
	cborSimple

	cborIndefinite = 31
	cborBreak      = 0xff
	cborMaxDepth   = 32
)

var errCBOR = errors.New("malformed CBOR")

// decodeCBOR reads one item, which must be all of b.
func decodeCBOR(b []byte) (any, error) {
	d := cborReader{b: b}
	v, err := d.item(0)
	if err == nil && len(d.b) > 0 {
		err = errCBOR
	}
	return v, err
}

type cborReader struct{ b []byte }

// head reads a type and its argument.
func (d *cborReader) head() (major byte, info byte, n uint64, err error) {
	if len(d.b) == 0 {
		return 0, 0, 0, errCBOR
	}
	major, info = d.b[0]>>5, d.b[0]&31
	d.b = d.b[1:]
	if info < 24 || info == cborIndefinite {
		return major, info, uint64(info), nil
	}
	size := 1 << (info - 24)
	if info > 27 || len(d.b) < size {
		return 0, 0, 0, errCBOR
	}
	var wide [8]byte
	copy(wide[8-size:], d.b[:size])
	d.b = d.b[size:]
	return major, info, binary.BigEndian.Uint64(wide[:]), nil
}

func (d *cborReader) item(depth int) (any, error) {
	major, info, n, err := d.head()
	if err != nil || depth > cborMaxDepth {
		return nil, errCBOR
	}
	switch major {
	case cborUint:
		return n, nil
	case cborNegative:
		return -1 - int64(n), nil
	case cborBytes, cborText:
		if info == cborIndefinite || n > uint64(len(d.b)) {
			return nil, errCBOR
		}
		text := d.b[:n]
		d.b = d.b[n:]
		if major == cborText {
			return string(text), nil
		}
		return slices.Clone(text), nil
	case cborArray:
		list := []any{}
		err := d.each(info, n, func() error {
			v, err := d.item(depth + 1)
			list = append(list, v)
			return err
		})
		return list, err
	case cborMap:
		fields := map[string]any{}
		err := d.each(info, n, func() error {
			key, err := d.item(depth + 1)
			name, ok := key.(string)
			if err != nil || !ok {
				return errCBOR
			}
			fields[name], err = d.item(depth + 1)
			return err
		})
		return fields, err
	case cborTag:
		v, err := d.item(depth + 1)
		if seconds, ok := v.(float64); ok && n == 1 {
			return time.UnixMilli(int64(seconds * 1000)), err
		}
		if seconds, ok := v.(uint64); ok && n == 1 {
			return time.Unix(int64(seconds), 0), err
		}
		return v, err
	}
	return simpleCBOR(info, n)
}

// each reads n entries, or until a break.
func (d *cborReader) each(info byte, n uint64, entry func() error) error {
	for i := uint64(0); info == cborIndefinite || i < n; i++ {
		if info == cborIndefinite && len(d.b) > 0 && d.b[0] == cborBreak {
			d.b = d.b[1:]
			return nil
		}
		if err := entry(); err != nil {
			return err
		}
	}
	return nil
}

func simpleCBOR(info byte, n uint64) (any, error) {
	switch info {
	case 20, 21:
		return info == 21, nil
	case 22, 23:
		return nil, nil
	case 26:
		return float64(math.Float32frombits(uint32(n))), nil
	case 27:
		return math.Float64frombits(n), nil
	}
	return nil, errCBOR
}

// encodeCBOR appends v: a string, int, float64, bool, time.Time, []any, or a
// map[string]any of them.
func encodeCBOR(b []byte, v any) []byte {
	switch v := v.(type) {
	case string:
		return append(cborHead(b, cborText, uint64(len(v))), v...)
	case int:
		return cborHead(b, cborUint, uint64(v))
	case bool:
		if v {
			return append(b, cborSimple<<5|21)
		}
		return append(b, cborSimple<<5|20)
	case float64:
		return binary.BigEndian.AppendUint64(append(b, cborSimple<<5|27), math.Float64bits(v))
	case time.Time:
		return encodeCBOR(append(b, cborTag<<5|1), float64(v.UnixMilli())/1000)
	case []any:
		b = cborHead(b, cborArray, uint64(len(v)))
		for _, item := range v {
			b = encodeCBOR(b, item)
		}
		return b
	case map[string]any:
		b = cborHead(b, cborMap, uint64(len(v)))
		for _, name := range slices.Sorted(maps.Keys(v)) {
			b = encodeCBOR(encodeCBOR(b, name), v[name])
		}
		return b
	}
	panic("awsemu: no CBOR for this type")
}

func cborHead(b []byte, major byte, n uint64) []byte {
	switch {
	case n < 24:
		return append(b, major<<5|byte(n))
	case n < 1<<8:
		return append(b, major<<5|24, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(b, major<<5|25), uint16(n))
	}
	return binary.BigEndian.AppendUint32(append(b, major<<5|26), uint32(n))
}
