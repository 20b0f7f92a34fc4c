package datachannel

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestResendUntilAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.agent.refuse = func(seq int64, copy int) bool { return seq == 2 && copy < 6 }
		r.run()
		r.awaitReady()
		start := time.Since(r.agent.start) + 10*ms
		r.stream.write([]byte("important"))
		time.Sleep(20 * time.Second)
		at := r.agent.inputsAt(2)
		for i := range at {
			at[i] -= start
		}
		if want := []time.Duration{0, 200 * ms, 600 * ms, 1400 * ms, 3000 * ms, 5000 * ms}; !slices.Equal(at, want) {
			t.Errorf("came at %v, want %v", at, want)
		}
		if s := r.conn.Stats(); s.Resends != 5 || s.Unacknowledged != 0 {
			t.Errorf("%d resends, %d bytes wait, want 5 and 0", s.Resends, s.Unacknowledged)
		}
		r.stop()
	})
}

// But for copies of the newest message, while its own acknowledge waits.
func TestEveryDuplicateIsAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t).run()
		r.awaitReady()
		r.agent.mu.Lock()
		r.agent.noResend = true
		r.agent.mu.Unlock()
		var frames [][]byte
		for seq := int64(2); seq <= 4; seq++ { // 0 and 1 were the handshake
			frame := wire("output_stream_data", seq, 0, 1, []byte{byte('0' + seq)})
			r.agent.mu.Lock()
			r.agent.names[seq] = wireName(frame)
			r.agent.mu.Unlock()
			frames = append(frames, frame)
		}
		for _, i := range []int{0, 0, 2, 2, 2, 0, 1, 1, 2} { // below, held, filled, below again
			r.agent.write(frames[i])
		}
		time.Sleep(time.Second)
		for seq, want := range map[int64]int{2: 2, 3: 1, 4: 4} {
			if got := r.agent.acksOf(seq); got != want {
				t.Errorf("output %d has %d acknowledges, want %d", seq, got, want)
			}
		}
		if got := r.stream.received(); string(got) != "234" {
			t.Errorf("delivered %q, want 234", got)
		}
		if s := r.conn.Stats(); s.Duplicates != 4 || s.Early != 1 || s.Missing != 0 {
			t.Errorf("stats are %+v, want 4 duplicates and 1 early", s)
		}
		r.stop()
	})
}

func TestTransferOverARoughPath(t *testing.T) {
	for _, percent := range []int{0, 1, 5, 15} {
		for _, latency := range []time.Duration{0, ms, 75 * ms} {
			t.Run(fmt.Sprintf("%d%%,%v", percent, latency), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t)
					r.latency = latency
					up := rand.New(rand.NewPCG(uint64(percent), 1))
					down := rand.New(rand.NewPCG(uint64(percent), 2))
					r.setup = func(l *link) { l.up.faults, l.down.faults = rough(up, percent), rough(down, percent) }
					r.run(func(cfg *Config) { // which would now and then take the worst path for the agent's end
						cfg.GapTimeout, cfg.GapPatience, cfg.PeerTimeout, cfg.StallTimeout = time.Hour, time.Hour, time.Hour, time.Hour
					})
					r.awaitReady()
					transfer(t, r, 300_000, 60_000)
					r.stop()
				})
			})
		}
	}
}

// transfer sends random bytes both ways at once, and checks that they arrive.
func transfer(t *testing.T, r *rig, up, down int) {
	t.Helper()
	sent, back := randomBytes(up, 1), randomBytes(down, 2)
	r.stream.write(sent)
	go r.agent.outputStream(back)
	for range 6000 { // ten minutes of the bubble's
		time.Sleep(100 * ms)
		if r.agent.streamBytes() > up && r.stream.receivedBytes() >= down {
			break
		}
	}
	time.Sleep(time.Minute) // frames have headers: the last may be on their way, and be lost
	if data, _ := r.agent.streamData(); !bytes.Equal(data, sent) {
		t.Errorf("agent has %d bytes, want %d, equal %v", len(data), up, bytes.HasPrefix(sent, data))
	}
	if got := r.stream.received(); !bytes.Equal(got, back) {
		t.Errorf("client has %d bytes, want %d, equal %v", len(got), down, bytes.HasPrefix(back, got))
	}
	if t.Failed() {
		t.Logf("stats are %+v", r.conn.Stats())
	}
}

// The official client makes a lone line feed a carriage return.
func TestLoneLineFeedSurvives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.stream.perFrame = 1
		r.run()
		r.awaitReady()
		r.stream.write([]byte("\n"))
		r.agent.output(1, []byte{0x0a})
		time.Sleep(time.Second)
		if data, _ := r.agent.streamData(); string(data) != "\n" {
			t.Errorf("agent has %q", data)
		}
		if got := r.stream.received(); string(got) != "\n" {
			t.Errorf("client has %q", got)
		}
		r.stop()
	})
}

func TestUnacknowledgedBytesStayInTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.agent.refuse = func(seq int64, copy int) bool { return seq > 1 }
		r.run()
		r.awaitReady()
		r.stream.write(make([]byte, 1<<20))
		time.Sleep(10 * time.Second)
		s := r.conn.Stats()
		if s.Unacknowledged > startWindow || s.Unacknowledged < startWindow-1144 {
			t.Errorf("%d bytes under way, want about %d", s.Unacknowledged, startWindow)
		}
		if s.Resends > 10 {
			t.Errorf("%d resends into a dead path in 10 s", s.Resends)
		}
		r.stop()
	})
}

// The agent checks that a megabyte is never exceeded.
func TestWindowOpensOnAGoodPath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.latency = 45 * ms
		r.run()
		r.awaitReady()
		sent := randomBytes(10<<20, 3)
		r.stream.write(sent)
		start := time.Now()
		for r.agent.streamBytes() < len(sent)/1016*1024 {
			time.Sleep(100 * ms)
			if time.Since(start) > time.Minute {
				t.Fatalf("10 MiB take over a minute at 90 ms: %+v", r.conn.Stats())
			}
		}
		if s := r.conn.Stats(); s.Window != 1<<20 || s.Resends != 1 {
			t.Errorf("stats are %+v, want a window of 1 MiB and no resend but the probe's", s)
		}
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("10 MiB took %v", took)
		}
		r.stop()
	})
}

func TestIdleSessionLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t).run()
		r.awaitReady()
		before := len(r.agent.seen(func(event) bool { return true }))
		time.Sleep(2 * time.Hour)
		if after := len(r.agent.seen(func(event) bool { return true })); after != before {
			t.Errorf("%d messages in two idle hours, want none: they would hold off the account's idle timeout", after-before)
		}
		r.stop()
	})
}

func TestUselessMessagesAreDropped(t *testing.T) {
	vectors := readVectors(t)
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t).run()
		r.awaitReady()
		bad := wire("output_stream_data", 2, 0, 1, []byte("wrong"))
		bad[len(bad)-1] ^= 1
		useless := [][]byte{
			bad,
			vectors.named(t, "negative_truncated_header"),
			vectors.named(t, "negative_header_length_too_big"),
			vectors.named(t, "negative_header_length_zero"),
			{},
			wire("output_stream_data", -1, 0, 1, []byte("negative")),
			wire("acknowledge", 0, 3, 0, []byte(`{"AcknowledgedMessageSequenceNumber":"1"}`)),
			wire("acknowledge", 0, 3, 0, nil),
			wireAck(strings.Repeat("0", 36), 1<<60),
			wire("agent_session_state", 0, 3, 0, []byte("{}")),
			wire("input_stream_data", 0, 0, 1, []byte("ours")),
		}
		for _, frame := range useless {
			r.agent.write(frame)
		}
		time.Sleep(time.Second)
		if got := r.agent.acksOf(2); got != 0 {
			t.Errorf("a wrong digest is acknowledged %d times", got)
		}
		r.agent.output(1, []byte("right"))
		r.agent.output(99, []byte("unknown payload type"))
		r.agent.output(10, []byte{0, 0, 0, 3})
		r.agent.output(10, []byte{3})
		r.agent.output(1, nil)
		r.agent.output(1, []byte("!"))
		time.Sleep(time.Second)
		if got := r.stream.received(); string(got) != "right!" {
			t.Errorf("delivered %q, want right!", got)
		}
		for seq := int64(2); seq <= 7; seq++ {
			if got := r.agent.acksOf(seq); got != 1 {
				t.Errorf("output %d has %d acknowledges, want 1", seq, got)
			}
		}
		if r.stream.failed != 1 {
			t.Errorf("%d failed connects, want 1", r.stream.failed)
		}
		if s := r.conn.Stats(); s.BadDigests != 1 || s.Malformed != 7 {
			t.Errorf("%d bad digests and %d malformed, want 1 and 7", s.BadDigests, s.Malformed)
		}
		r.stop()
	})
}

// A flood that is faster than acknowledges can be written must stop the reader,
// not fill the memory; and data must still have its turn.
func TestFloodIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		const flood = 3 * maxOwed
		gate := make(chan struct{}, 1<<20)
		r.setup = func(l *link) { l.blocked = gate }
		r.run()
		for range 100 {
			gate <- struct{}{}
		}
		r.awaitReady()
		time.Sleep(time.Second)
		for len(gate) > 0 {
			<-gate
		}
		r.agent.mu.Lock()
		r.agent.noResend = true
		r.agent.mu.Unlock()
		for range flood {
			r.agent.output(1, []byte("x"))
		}
		time.Sleep(time.Second)
		r.conn.mu.Lock()
		waiting := r.conn.acks.len()
		r.conn.mu.Unlock()
		if got := len(r.stream.received()); waiting > maxOwed || got > maxOwed+2 || got < maxOwed { // one is the beat, one in the reader's hands
			t.Errorf("%d acknowledges wait after %d messages, want at most %d", waiting, got, maxOwed)
		}
		r.stream.write([]byte("my turn"))
		for range 2 * maxAckRun {
			gate <- struct{}{}
		}
		time.Sleep(time.Second)
		if data, _ := r.agent.streamData(); string(data) != "my turn" {
			t.Errorf("data did not come through the acknowledges: %q", data)
		}
		close(gate)
		time.Sleep(time.Second)
		if got := len(r.stream.received()); got != flood {
			t.Errorf("%d messages delivered, want %d", got, flood)
		}
		for _, seq := range []int64{2, maxOwed, flood + 1} {
			if got := r.agent.acksOf(seq); got != 1 {
				t.Errorf("output %d has %d acknowledges, want 1", seq, got)
			}
		}
		r.stop()
	})
}
