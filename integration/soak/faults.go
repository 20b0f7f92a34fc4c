package main

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu/gateway"
)

// fault is one thing that goes wrong.
type fault struct {
	kind string
	// aftermath is how long after it clients may still get its errors; zero: it
	// is mended, and there are none.
	aftermath time.Duration
	weight    int
	// strike does it and returns how long it lasts and what ends it, if anything.
	strike func(e *awsemu.Emulator, r *rand.Rand) (lasts time.Duration, undo func())
}

const (
	soon     = 5 * time.Second  // clients hear of it at once
	patience = 45 * time.Second // a silent peer is given up after 30 s, a login after as much
)

// injectFaults lets one fault after the other happen until ctx ends.
func injectFaults(ctx context.Context, e *awsemu.Emulator, s *summary, r *rand.Rand) {
	all := faults(s)
	total := 0
	for _, f := range all {
		total += f.weight
	}
	for {
		pause(ctx, time.Duration(500+r.IntN(1500))*time.Millisecond)
		if ctx.Err() != nil {
			return
		}
		n := r.IntN(total)
		for _, f := range all {
			if n -= f.weight; n >= 0 {
				continue
			}
			end := s.fault(f)
			lasts, undo := f.strike(e, r)
			pause(ctx, lasts)
			if undo != nil {
				undo()
			}
			end()
			break
		}
	}
}

// between is a random time.
func between(r *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(r.Int64N(int64(most-least)))
}

func faults(s *summary) []fault {
	const ms = time.Millisecond
	once := func(f func(e *awsemu.Emulator, r *rand.Rand)) func(*awsemu.Emulator, *rand.Rand) (time.Duration, func()) {
		return func(e *awsemu.Emulator, r *rand.Rand) (time.Duration, func()) { f(e, r); return 0, nil }
	}
	network := func(f func(r *rand.Rand) gateway.Network, most time.Duration) func(*awsemu.Emulator, *rand.Rand) (time.Duration, func()) {
		return func(e *awsemu.Emulator, r *rand.Rand) (time.Duration, func()) {
			e.SetNetwork(f(r))
			return between(r, 500*ms, most), func() { e.SetNetwork(gateway.Network{}) }
		}
	}
	messages := func(f func(way gateway.Direction, seed uint64) gateway.Intercept) func(*awsemu.Emulator, *rand.Rand) (time.Duration, func()) {
		return func(e *awsemu.Emulator, r *rand.Rand) (time.Duration, func()) {
			var n atomic.Int64
			seed := r.Uint64()
			chosen := f(gateway.Direction(r.IntN(2)), seed)
			if r.IntN(3) == 0 {
				chosen = gateway.Chain(f(gateway.ToAgent, seed), f(gateway.ToClient, seed))
			}
			e.SetIntercept(gateway.Counted(&n, chosen))
			return between(r, time.Second, 4*time.Second), func() { e.SetIntercept(nil); s.spoilt(n.Load()) }
		}
	}
	cutAfter := func(f func(e *awsemu.Emulator, r *rand.Rand)) func(*awsemu.Emulator, *rand.Rand) (time.Duration, func()) {
		return once(func(e *awsemu.Emulator, r *rand.Rand) { f(e, r); e.CutWebsockets() })
	}
	sessions := func(f func(e *awsemu.Emulator, id string)) func(*awsemu.Emulator, *rand.Rand) (time.Duration, func()) {
		return once(func(e *awsemu.Emulator, _ *rand.Rand) {
			for _, session := range e.Sessions() {
				if session.State != gateway.Terminated {
					f(e, session.ID)
				}
			}
		})
	}
	const injected = "injected by soak"
	return []fault{
		// Mended.
		{"relay mode changed", 0, 2, once(func(e *awsemu.Emulator, r *rand.Rand) { e.SetDropWhileAbsent(r.IntN(2) == 0) })},
		{"socket cut", 0, 6, once(func(e *awsemu.Emulator, _ *rand.Rand) { e.CutWebsockets() })},
		{"socket closed hourly", 0, 3, once(func(e *awsemu.Emulator, _ *rand.Rand) { e.CloseWebsockets(1000, "Bye") })},
		{"socket cut mid message", 0, 4, once(func(e *awsemu.Emulator, r *rand.Rand) { e.CutMidMessage(gateway.Direction(r.IntN(2))) })},
		{"cut, resume throttled", 0, 2, cutAfter(func(e *awsemu.Emulator, r *rand.Rand) {
			e.FailNext("ResumeSession", "ThrottlingException", injected, 1+r.IntN(4))
		})},
		{"cut, resume fails inside AWS", 0, 2, cutAfter(func(e *awsemu.Emulator, _ *rand.Rand) {
			e.FailNext("ResumeSession", "InternalServerError", injected, 1)
		})},
		{"cut, slow resume", 0, 2, cutAfter(func(e *awsemu.Emulator, r *rand.Rand) {
			e.SlowNext("ResumeSession", between(r, 100*ms, 2*time.Second), 1)
		})},
		{"cut, resume refused once", 0, 2, cutAfter(func(e *awsemu.Emulator, _ *rand.Rand) { e.RefuseUpgrades(403, 1) })},
		{"cut, resume dropped after open", 0, 2, cutAfter(func(e *awsemu.Emulator, r *rand.Rand) { e.FailConnect(gateway.ClosesAfterOpen, 1+r.IntN(2)) })},
		{"round trip and jitter", 0, 4, network(func(r *rand.Rand) gateway.Network {
			return gateway.Network{RoundTrip: between(r, 10*ms, 200*ms), Jitter: between(r, 0, 40*ms)}
		}, 5*time.Second)},
		{"rate", 0, 3, network(func(r *rand.Rand) gateway.Network { return gateway.Network{Rate: 200_000 + r.IntN(1_000_000)} }, 5*time.Second)},
		{"slow reader", 0, 3, network(func(r *rand.Rand) gateway.Network {
			return gateway.Network{SlowReader: 200_000 + r.IntN(1_000_000)}
		}, 5*time.Second)},
		{"nothing passes", 0, 3, network(func(*rand.Rand) gateway.Network { return gateway.Network{Outage: true} }, 3*time.Second)},
		{"messages lost", 0, 4, messages(func(way gateway.Direction, seed uint64) gateway.Intercept { return gateway.Lose(way, 0.004, seed) })},
		{"acknowledgements lost", 0, 3, messages(func(way gateway.Direction, seed uint64) gateway.Intercept {
			return gateway.OnlyAcks(gateway.Lose(way, 0.005, seed))
		})},
		{"messages duplicated", 0, 3, messages(func(way gateway.Direction, seed uint64) gateway.Intercept {
			return gateway.Duplicate(way, 0.2, 30*ms, seed)
		})},
		{"messages reordered", 0, 3, messages(func(way gateway.Direction, seed uint64) gateway.Intercept {
			return gateway.Reorder(way, 0.3, 50*ms, seed)
		})},
		{"messages late", 0, 2, messages(func(way gateway.Direction, seed uint64) gateway.Intercept { return gateway.Delay(way, 50*ms) })},
		{"payloads corrupted", 0, 3, messages(func(way gateway.Direction, seed uint64) gateway.Intercept {
			return gateway.OnlyData(gateway.Corrupt(way, 0.004, seed))
		})},
		{"frames broken", 0, 3, messages(func(way gateway.Direction, seed uint64) gateway.Intercept {
			return gateway.Chain(gateway.ShortFrame(way, 0.002, seed), gateway.HugeHeader(way, 0.002, seed+1), gateway.UnknownType(way, 0.02, seed+2))
		})},
		{"pause and start", 0, 3, func(e *awsemu.Emulator, r *rand.Rand) (time.Duration, func()) {
			e.Publish("pause_publication")
			return between(r, 50*ms, time.Second), func() { e.Publish("start_publication") }
		}},
		{"unknown payload", 0, 2, once(func(e *awsemu.Emulator, _ *rand.Rand) { e.SendPayload(99, []byte(injected)) })},
		{"agent away shortly", 0, 2, once(func(e *awsemu.Emulator, r *rand.Rand) { e.CutAgents(between(r, 10*ms, 60*ms)) })},
		{"start throttled", 0, 1, once(func(e *awsemu.Emulator, _ *rand.Rand) {
			e.FailNext("StartSession", "ThrottlingException", injected, 1)
		})},

		// Harmful.
		{"sessions ended", soon, 2, sessions(func(e *awsemu.Emulator, id string) { e.TerminateSession(id, "") })},
		{"sessions ended with broken JSON", soon, 1, sessions(func(e *awsemu.Emulator, id string) { e.CloseChannel(id, []byte("{")) })},
		{"session over at resume", soon, 1, func(e *awsemu.Emulator, _ *rand.Rand) (time.Duration, func()) {
			e.EndOnResume(-1)
			e.CutWebsockets()
			return time.Second, func() { e.EndOnResume(0) }
		}},
		{"dials refused", soon, 1, func(e *awsemu.Emulator, r *rand.Rand) (time.Duration, func()) {
			e.SetDial(gateway.RefuseDials(-1))
			return between(r, 100*ms, time.Second), func() { e.SetDial(nil) }
		}},
		{"start denied", soon, 1, func(e *awsemu.Emulator, r *rand.Rand) (time.Duration, func()) {
			e.FailNext("StartSession", "AccessDeniedException", injected, -1)
			for _, session := range e.Sessions() {
				e.TerminateSession(session.ID, "")
			}
			return between(r, 100*ms, time.Second), func() { e.FailNext("StartSession", "", "", 0) }
		}},
		{"agent restarted", 10 * time.Second, 1, once(func(e *awsemu.Emulator, _ *rand.Rand) { e.RestartAgents() })},
		{"agent away", 20 * time.Second, 1, once(func(e *awsemu.Emulator, r *rand.Rand) { e.CutAgents(between(r, 300*ms, 2*time.Second)) })},
		{"black hole", patience, 1, once(func(e *awsemu.Emulator, r *rand.Rand) { way := r.IntN(3); e.BlackHole(way != 1, way != 2) })},
		{"black hole for all", patience, 1, network(func(*rand.Rand) gateway.Network {
			return gateway.Network{BlackHoleUp: true, BlackHoleDown: true}
		}, 3*time.Second)},
		{"agent silent", patience, 1, once(func(e *awsemu.Emulator, _ *rand.Rand) { e.FreezeAgents(true) })},
	}
}
