package datachannel

import "time"

// A meter looks back over meterSlots slots, the present one included: between
// one and a half and two seconds.
const (
	meterSlots = 4
	meterSlot  = 500 * time.Millisecond
)

// meter counts bytes of the recent past. Its zero value is ready. Not safe for
// concurrent use.
type meter struct {
	origin time.Time
	slot   int64 // present one, since origin
	bytes  [meterSlots]int64
}

// add counts n bytes.
func (m *meter) add(now time.Time, n int) {
	m.advance(now)
	m.bytes[m.slot%meterSlots] += int64(n)
}

// recent is how many were counted of late.
func (m *meter) recent(now time.Time) int64 {
	m.advance(now)
	var sum int64
	for _, n := range m.bytes {
		sum += n
	}
	return sum
}

// advance clears the slots that have passed out of sight.
func (m *meter) advance(now time.Time) {
	if m.origin.IsZero() {
		m.origin = now
	}
	slot := int64(now.Sub(m.origin) / meterSlot)
	for i := max(m.slot+1, slot-meterSlots+1); i <= slot; i++ {
		m.bytes[i%meterSlots] = 0
	}
	m.slot = max(m.slot, slot)
}
