package datachannel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Transport moves whole agent messages: one websocket, its open message sent.
// ReadMessage and WriteMessage are called by one goroutine each, Close by any.
type Transport interface {
	// ReadMessage returns the next message, which then belongs to the caller. It
	// waits until there is one, the peer is gone (a missing pong counts: Conn
	// does not time out reads) or Close.
	ReadMessage() ([]byte, error)
	// WriteMessage sends one message and keeps nothing of it. It may wait until
	// Close. A Transport that has a method Flush() error may put the message off
	// until that is called, by the same goroutine.
	WriteMessage([]byte) error
	// Heard is when it last showed a sign of life: a message or a pong.
	Heard() time.Time
	// Close ends the transport hard, with no parting words, and wakes both.
	Close() error
}

// flusher is a Transport that sends several messages in one write.
type flusher interface{ Flush() error }

// Stream is what the data channel carries; *mux.Mux is one. Every method returns
// at once, is safe for concurrent use, and calls nothing of the Conn.
type Stream interface {
	Fill(p []byte) int      // moves bytes to send into p, returns how many; 0: none
	Ready() <-chan struct{} // a value says that Fill may have bytes
	Deliver(p []byte) error // takes the next bytes of the agent, in order; an error is fatal
	ConnectFailed()         // the agent could not reach the target for one of the streams
	SendNOP()               // queues a frame without meaning
	Unanswered() int        // bytes that went out to targets which have said nothing since
}

// gatherer is what a Stream may be besides: one that says when Fill is best called
// for a message with room for so many bytes, where another went out at last. The zero
// time, or one that has passed, means now.
type gatherer interface {
	FillAt(now, last time.Time, room int) time.Time
}

// sharer is what a Stream may be besides: one that says whether it carries several.
type sharer interface{ Shared() bool }

// Config is what New needs. Connect and Stream are required; every other zero
// value means its default.
type Config struct {
	// Connect makes the next Transport: the first, then one for every resume. It
	// waits and tries again as it sees fit, until ctx ends; an error is final and
	// ends Run.
	Connect func(ctx context.Context) (Transport, error)
	Stream  Stream

	ClientVersion string // what the agent is told; default "1.2.804.0"
	MaxPayload    int    // bytes in one message, 64 to 16,384; default 1024
	MaxWindow     int    // bytes sent and not acknowledged, at least 32 KiB; default 1 MiB
	MaxReorder    int    // bytes held behind a gap; default 100 MiB

	HandshakeTimeout time.Duration // first transport to HandshakeComplete, and half of it from the agent's first sign of life; default 30 s
	ArrivalTimeout   time.Duration // first transport to that sign; default HandshakeTimeout
	PeerTimeout      time.Duration // oldest message without acknowledge, from an agent that is silent; default 12 s
	StallTimeout     time.Duration // the same while the silence may have a harmless reason; default 30 s
	PauseTimeout     time.Duration // the service says that the agent is away, and it does not come back; default 14.5 s
	OutageTimeout    time.Duration // transports, one after the other, that bring no word of the agent; default 15 min
	GapPatience      time.Duration // longest repair of a gap worth waiting for; default 60 s
	GapTimeout       time.Duration // a repair that has stopped; default 10 s

	Log *slog.Logger // default: nothing is logged
}

const (
	defaultMaxPayload = 1024      // what both official peers send; the service's limit is unknown
	minMaxPayload     = 64        // what a Stream can be asked to fill
	maxMaxPayload     = 16 << 10  // fits the smallest window
	defaultMaxReorder = 100 << 20 // about the 100,000 messages an agent keeps for resending

	// People hear of a dead agent within 15 s, and this leaves half a second for
	// what comes after.
	defaultPauseTimeout = 14500 * time.Millisecond
)

// withDefaults returns a complete cfg, or what is wrong with it.
func (cfg Config) withDefaults() (Config, error) {
	if cfg.Connect == nil || cfg.Stream == nil {
		return cfg, errors.New("datachannel: Config needs Connect and Stream")
	}
	cfg.ClientVersion = cmp.Or(cfg.ClientVersion, defaultClientVersion)
	cfg.MaxPayload = cmp.Or(cfg.MaxPayload, defaultMaxPayload)
	cfg.MaxWindow = cmp.Or(cfg.MaxWindow, defaultMaxWindow)
	cfg.MaxReorder = cmp.Or(cfg.MaxReorder, defaultMaxReorder)
	cfg.HandshakeTimeout = cmp.Or(cfg.HandshakeTimeout, 30*time.Second)
	cfg.ArrivalTimeout = cmp.Or(cfg.ArrivalTimeout, cfg.HandshakeTimeout)
	cfg.PeerTimeout = cmp.Or(cfg.PeerTimeout, 12*time.Second)
	cfg.StallTimeout = cmp.Or(cfg.StallTimeout, 30*time.Second)
	cfg.PauseTimeout = cmp.Or(cfg.PauseTimeout, defaultPauseTimeout)
	cfg.OutageTimeout = cmp.Or(cfg.OutageTimeout, 15*time.Minute)
	cfg.GapPatience = cmp.Or(cfg.GapPatience, 60*time.Second)
	cfg.GapTimeout = cmp.Or(cfg.GapTimeout, 10*time.Second)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.MaxPayload < minMaxPayload || cfg.MaxPayload > maxMaxPayload {
		return cfg, fmt.Errorf("datachannel: MaxPayload %d is not in %d to %d", cfg.MaxPayload, minMaxPayload, maxMaxPayload)
	}
	if cfg.MaxWindow < minWindow {
		return cfg, fmt.Errorf("datachannel: MaxWindow %d is below %d", cfg.MaxWindow, minWindow)
	}
	if cfg.MaxReorder < 0 || min(cfg.HandshakeTimeout, cfg.ArrivalTimeout, cfg.PeerTimeout, cfg.StallTimeout, cfg.PauseTimeout, cfg.OutageTimeout, cfg.GapPatience, cfg.GapTimeout) < 0 {
		return cfg, errors.New("datachannel: Config has a negative bound")
	}
	return cfg, nil
}
