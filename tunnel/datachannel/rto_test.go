package datachannel

import (
	"testing"
	"time"
)

const ms = time.Millisecond

func TestTimeout(t *testing.T) {
	type step struct {
		sample  time.Duration // 0: expired
		timeout time.Duration // afterwards
	}
	tests := []struct {
		name  string
		steps []step
	}{
		{"never below 200 ms", []step{{5 * ms, 200 * ms}, {5 * ms, 200 * ms}}},
		{"doubles up to 2 s", []step{{0, 400 * ms}, {0, 800 * ms}, {0, 1600 * ms}, {0, 2 * time.Second}, {0, 2 * time.Second}}},
		{"first sample: three times it", []step{{100 * ms, 300 * ms}}},
		{"steady samples narrow it", []step{{100 * ms, 300 * ms}, {100 * ms, 250 * ms}, {100 * ms, 212 * ms}, {100 * ms, 200 * ms}}},
		{"a sample ends the doubling", []step{{0, 400 * ms}, {0, 800 * ms}, {300 * ms, 900 * ms}}},
		{"never above 2 s", []step{{5 * time.Second, 2 * time.Second}, {0, 2 * time.Second}}},
		{"doubling starts from the samples", []step{{200 * ms, 600 * ms}, {0, 1200 * ms}, {0, 2 * time.Second}}},
	}
	for _, test := range tests {
		var r rto
		if got := r.timeout(); got != 200*ms {
			t.Fatalf("%s: starts with %v", test.name, got)
		}
		for i, s := range test.steps {
			if s.sample > 0 {
				r.sample(s.sample)
			} else {
				r.expired()
			}
			if got := r.timeout().Truncate(ms); got != s.timeout {
				t.Errorf("%s: after step %d timeout is %v, want %v", test.name, i, got, s.timeout)
			}
		}
	}
}

func TestRoundTripFollowsSamples(t *testing.T) {
	var r rto
	r.sample(0) // a clock too coarse
	if r.smoothed <= 0 || r.least <= 0 {
		t.Errorf("a sample of 0 leaves smoothed %v, least %v", r.smoothed, r.least)
	}
	for range 100 {
		r.sample(80 * ms)
	}
	if got := r.smoothed.Round(ms); got != 80*ms {
		t.Errorf("smoothed is %v after 100 samples of 80 ms", got)
	}
	if r.least >= ms {
		t.Errorf("least is %v, want the first sample", r.least)
	}
	r.reset()
	r.sample(50 * ms)
	if r.least != 50*ms {
		t.Errorf("least is %v on the new transport, want 50ms", r.least)
	}
}

func TestPace(t *testing.T) {
	const k = 1 << 10
	p := newPace(1024 * k)
	if p.limit != 128*k {
		t.Fatalf("starts with %d, want 128 KiB", p.limit)
	}
	const logins, each = 60, 1900 // with the tokens of temporary keys
	if messages := logins * each / 1024; messages*(1024+headerSize) > p.limit {
		t.Errorf("%d logins do not go out at once", logins)
	}
	p.acked(k, 128*k, 50*ms, 20*ms)
	if p.limit != 128*k {
		t.Errorf("a slow acknowledge makes it %d", p.limit)
	}
	p.acked(k, 63*k, 20*ms, 20*ms)
	if p.limit != 128*k {
		t.Errorf("an unused window grows to %d", p.limit)
	}
	for range 128 {
		p.acked(k, p.limit, 30*ms, 20*ms)
	}
	if p.limit != 256*k {
		t.Errorf("a window acknowledged makes it %d, want twice 128 KiB", p.limit)
	}
	p.acked(8*k, p.limit, 9*ms, ms)
	if p.limit != 264*k {
		t.Errorf("differences below 10 ms count: %d, want 264 KiB", p.limit)
	}
	p.halve()
	if p.limit != 132*k {
		t.Errorf("halved to %d, want 132 KiB", p.limit)
	}
	p.acked(8*k, p.limit, 20*ms, 20*ms)
	if p.limit != 133*k {
		t.Errorf("after a halving 8 KiB add %d, want 1 KiB", p.limit-132*k)
	}
	for range 10 {
		p.halve()
	}
	if p.limit != 32*k {
		t.Errorf("lowest is %d, want 32 KiB", p.limit)
	}
	for range 100_000 {
		p.acked(k, p.limit, 20*ms, 20*ms)
	}
	if p.limit != 1024*k {
		t.Errorf("highest is %d, want 1 MiB", p.limit)
	}
	if small := newPace(40 * k); small.limit != 40*k {
		t.Errorf("with 40 KiB at most it starts with %d", small.limit)
	}
}
