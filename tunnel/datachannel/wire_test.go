package datachannel

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"time"
)

// wire makes a message by hand.
func wire(kind string, seq int64, flags uint64, payloadType uint32, payload []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, 116)
	b = append(b, fmt.Sprintf("%-32s", kind)...)
	b = binary.BigEndian.AppendUint32(b, 1)
	b = binary.BigEndian.AppendUint64(b, uint64(time.Now().UnixMilli()))
	b = binary.BigEndian.AppendUint64(b, uint64(seq))
	b = binary.BigEndian.AppendUint64(b, flags)
	id := make([]byte, 16)
	for i := range id {
		id[i] = byte(rand.Uint32())
	}
	b = append(b, id...)
	digest := sha256.Sum256(payload)
	b = append(b, digest[:]...)
	b = binary.BigEndian.AppendUint32(b, payloadType)
	b = binary.BigEndian.AppendUint32(b, uint32(len(payload)))
	return append(b, payload...)
}

// wireName is the text form of a frame's id: its halves stand swapped.
func wireName(frame []byte) string {
	s := hex.EncodeToString(frame[72:80]) + hex.EncodeToString(frame[64:72])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

func wireAck(name string, seq int64) []byte {
	return wire("acknowledge", 0, 3, 0, fmt.Appendf(nil,
		`{"AcknowledgedMessageType":"input_stream_data","AcknowledgedMessageId":"%s","AcknowledgedMessageSequenceNumber":%d,"IsSequentialMessage":true}`, name, seq))
}
