package gateway

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// The Intercepts here spoil messages that go one way, each with probability p,
// the same ones for the same seed and order of messages. They are safe for
// several sessions at once.

// spoil makes an Intercept of what becomes of a chosen message.
func spoil(way Direction, p float64, seed uint64, f func(r *rand.Rand, msg []byte) []Delivery) Intercept {
	var mu sync.Mutex
	r := rand.New(rand.NewPCG(seed, uint64(way)))
	return func(_ string, w Direction, msg []byte) []Delivery {
		if w != way {
			return []Delivery{{Message: msg}}
		}
		mu.Lock()
		defer mu.Unlock()
		if r.Float64() >= p {
			return []Delivery{{Message: msg}}
		}
		return f(r, msg)
	}
}

// Lose loses messages.
func Lose(way Direction, p float64, seed uint64) Intercept {
	return spoil(way, p, seed, func(*rand.Rand, []byte) []Delivery { return nil })
}

// Duplicate sends messages twice, the second copy up to within later.
func Duplicate(way Direction, p float64, within time.Duration, seed uint64) Intercept {
	return spoil(way, p, seed, func(r *rand.Rand, msg []byte) []Delivery {
		return []Delivery{{Message: msg}, {Message: msg, After: upTo(r, within)}}
	})
}

// Reorder lets messages be overtaken by those of the next time up to within.
func Reorder(way Direction, p float64, within time.Duration, seed uint64) Intercept {
	return spoil(way, p, seed, func(r *rand.Rand, msg []byte) []Delivery {
		return []Delivery{{Message: msg, After: upTo(r, within)}}
	})
}

// Delay makes every message late, in order.
func Delay(way Direction, by time.Duration) Intercept {
	return spoil(way, 1, 0, func(_ *rand.Rand, msg []byte) []Delivery {
		return []Delivery{{Message: msg, After: by}}
	})
}

// Corrupt changes one byte of payloads, under their old digest.
func Corrupt(way Direction, p float64, seed uint64) Intercept {
	return spoil(way, p, seed, func(r *rand.Rand, msg []byte) []Delivery {
		m, err := decode(msg)
		if err != nil || len(m.payload) == 0 {
			return []Delivery{{Message: msg}}
		}
		bad := bytes.Clone(msg)
		bad[len(bad)-1-r.IntN(len(m.payload))] ^= 1 << r.IntN(8)
		return []Delivery{{Message: bad}}
	})
}

// WrongDigest changes the digest of good payloads.
func WrongDigest(way Direction, p float64, seed uint64) Intercept {
	return rewrite(way, p, seed, func(r *rand.Rand, msg []byte) []byte { msg[80+r.IntN(32)] ^= 1; return msg })
}

// ShortFrame cuts messages short.
func ShortFrame(way Direction, p float64, seed uint64) Intercept {
	return rewrite(way, p, seed, func(r *rand.Rand, msg []byte) []byte { return msg[:r.IntN(len(msg))] })
}

// HugeHeader makes HeaderLength point far behind the message.
func HugeHeader(way Direction, p float64, seed uint64) Intercept {
	return rewrite(way, p, seed, func(_ *rand.Rand, msg []byte) []byte {
		binary.BigEndian.PutUint32(msg, 0xfffffff0)
		return msg
	})
}

// rewrite changes a copy of messages long enough to have a header.
func rewrite(way Direction, p float64, seed uint64, f func(r *rand.Rand, msg []byte) []byte) Intercept {
	return spoil(way, p, seed, func(r *rand.Rand, msg []byte) []Delivery {
		if len(msg) < headerFull {
			return []Delivery{{Message: msg}}
		}
		return []Delivery{{Message: f(r, bytes.Clone(msg))}}
	})
}

// UnknownType puts messages of a type that nobody knows before others.
func UnknownType(way Direction, p float64, seed uint64) Intercept {
	return spoil(way, p, seed, func(_ *rand.Rand, msg []byte) []Delivery {
		return []Delivery{{Message: newMessage("stream_weather", []byte(`{"Sky":"clear"}`)).encode()}, {Message: msg}}
	})
}

// AsText sends messages for the client as text frames.
func AsText(p float64, seed uint64) Intercept {
	return spoil(ToClient, p, seed, func(_ *rand.Rand, msg []byte) []Delivery {
		return []Delivery{{Message: msg, Text: true}}
	})
}

// OnlyAcks lets f act on acknowledgements only.
func OnlyAcks(f Intercept) Intercept {
	return only(f, func(m message) bool { return m.kind == typeAck })
}

// OnlyData lets f act on numbered messages only.
func OnlyData(f Intercept) Intercept {
	return only(f, func(m message) bool { return m.kind == typeInput || m.kind == typeOutput })
}

func only(f Intercept, which func(message) bool) Intercept {
	return func(session string, way Direction, msg []byte) []Delivery {
		if m, err := decode(msg); err != nil || !which(m) {
			return []Delivery{{Message: msg}}
		}
		return f(session, way, msg)
	}
}

// Chain lets each Intercept act on what those before it deliver.
func Chain(all ...Intercept) Intercept {
	return func(session string, way Direction, msg []byte) []Delivery {
		now := []Delivery{{Message: msg}}
		for _, f := range all {
			var next []Delivery
			for _, before := range now {
				for _, d := range f(session, way, before.Message) {
					d.After += before.After
					d.Text = d.Text || before.Text
					next = append(next, d)
				}
			}
			now = next
		}
		return now
	}
}

// Counted adds to n whenever f does anything.
func Counted(n *atomic.Int64, f Intercept) Intercept {
	return func(session string, way Direction, msg []byte) []Delivery {
		out := f(session, way, msg)
		if len(out) != 1 || out[0].After != 0 || out[0].Text || !bytes.Equal(out[0].Message, msg) {
			n.Add(1)
		}
		return out
	}
}

// upTo is a random time below d.
func upTo(r *rand.Rand, d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return time.Duration(r.Int64N(int64(d)))
}
