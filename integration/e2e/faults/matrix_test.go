package faults

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu/gateway"
)

const throttled = "ThrottlingException"

// faultMatrix has a row for each fault that the emulator knows, long ones
// first.
func faultMatrix() []fault {
	return slices.Concat(socketFaults(), apiFaults(), connectFaults(), agentFaults(), messageFaults(), handshakeFaults(), pauseFaults(), endFaults())
}

// keeping and dropping are the two ways of the service with what the other side
// sends to somebody absent.
func keeping(*awsemu.Config)    {}
func dropping(c *awsemu.Config) { c.DropWhileAbsent = true }

func strict(c *awsemu.Config) { c.CheckDigests = true }

// cut drops all websockets, at upload and download.
func cut(w *rig.World, _ int) { w.AWS.CutWebsockets() }

// first does f at the upload only.
func first(f func(w *rig.World)) func(*rig.World, int) {
	return func(w *rig.World, times int) {
		if times == 0 {
			f(w)
		}
	}
}

// second does f at the download only.
func second(f func(w *rig.World)) func(*rig.World, int) {
	return func(w *rig.World, times int) {
		if times == 1 {
			f(w)
		}
	}
}

func resumed(w *rig.World) error {
	for _, s := range w.AWS.Sessions() {
		if s.Resumes > 0 {
			return nil
		}
	}
	return fmt.Errorf("no session was resumed: %+v", w.AWS.Sessions())
}

func apiFaults() []fault {
	fail := func(operation, code string, n int) func(*rig.World) {
		return func(w *rig.World) { w.AWS.FailNext(operation, code, "injected", n) }
	}
	cutAnd := func(f func(*rig.World)) func(*rig.World, int) {
		return func(w *rig.World, times int) { f(w); cut(w, times) }
	}
	return []fault{
		// Asking for credentials again may open a browser, so it takes half a minute.
		// Exported keys could not be renewed: their end is the session's (lostsession_test.go).
		{name: "API/credentials expired at resume", keys: true, during: first(func(w *rig.World) { fail("ResumeSession", "ExpiredTokenException", 1)(w); cut(w, 0) }), want: exact, after: resumed},
		{name: "API/target not connected once", before: fail("StartSession", "TargetNotConnected", 1), want: refusedFirst, state: "08001"},
		{name: "API/start throttled twice", before: fail("StartSession", throttled, 2), want: exact},
		{name: "API/slow start", before: func(w *rig.World) { w.AWS.SlowNext("StartSession", 3*time.Second, 1) }, want: exact},
		{name: "API/resume throttled thrice", during: cutAnd(fail("ResumeSession", throttled, 3)), want: exact, after: resumed},
		{name: "API/resume fails inside AWS", during: cutAnd(fail("ResumeSession", "InternalServerError", 2)), want: exact, after: resumed},
		{name: "API/slow resume", during: cutAnd(func(w *rig.World) { w.AWS.SlowNext("ResumeSession", 2*time.Second, 1) }), want: exact, after: resumed},
		{name: "API/resume without token", during: first(func(w *rig.World) { w.AWS.EndOnResume(-1); cut(w, 0); awaitEnded(w); w.AWS.EndOnResume(0) }), want: lost},
	}
}

func connectFaults() []fault {
	at := func(step gateway.ConnectStep, n int) func(*rig.World, int) {
		return func(w *rig.World, times int) { w.AWS.FailConnect(step, n); cut(w, times) }
	}
	return []fault{
		{name: "connect/hangs at resume", during: first(func(w *rig.World) { at(gateway.UpgradeHangs, 1)(w, 0) }), want: exact, after: resumed},
		{name: "connect/hangs once", before: func(w *rig.World) { w.AWS.FailConnect(gateway.UpgradeHangs, 1) }, want: exact},
		{name: "connect/hangs always", before: func(w *rig.World) { w.AWS.FailConnect(gateway.UpgradeHangs, -1) }, want: refused, state: "08001"},
		{name: "connect/403 at resume", during: func(w *rig.World, times int) { w.AWS.RefuseUpgrades(403, 1); cut(w, times) }, want: exact, after: resumed},
		{name: "connect/dropped before open at resume", during: at(gateway.ClosesBeforeOpen, 2), want: exact, after: resumed},
		{name: "connect/dropped after open at resume", during: at(gateway.ClosesAfterOpen, 2), want: exact, after: resumed},
		{name: "connect/token refused at resume", during: at(gateway.RefusesToken, 1), want: exact, after: resumed},
		{name: "connect/dropped after the first open", before: func(w *rig.World) { w.AWS.FailConnect(gateway.ClosesAfterOpen, 1) }, want: exact},
		{name: "connect/handshake late", emulator: func(c *awsemu.Config) { c.StartDelay = 2 * time.Second }, want: exact},
		{name: "connect/handshake twice", spoil: gateway.TwoHandshakes(), want: exact},
		{name: "connect/handshake never", spoil: gateway.NoHandshake(), want: refused, state: "08001"},
	}
}

func socketFaults() []fault {
	network := func(n gateway.Network) func(*rig.World) {
		return func(w *rig.World) { w.AWS.SetNetwork(n) }
	}
	forgotten := func(up, down bool) func(*rig.World, int) {
		return first(func(w *rig.World) { w.AWS.BlackHole(up, down) })
	}
	bye := func(w *rig.World, _ int) { w.AWS.CloseWebsockets(1000, "Bye") }
	spell := func(n gateway.Network, d time.Duration) func(*rig.World, int) {
		return func(w *rig.World, _ int) {
			w.AWS.SetNetwork(n)
			time.AfterFunc(d, func() { w.AWS.SetNetwork(gateway.Network{}) })
		}
	}
	return []fault{
		{name: "socket/black hole both ways", during: forgotten(true, true), want: exactOrLost},
		{name: "socket/black hole up", during: forgotten(true, false), want: exactOrLost},
		{name: "socket/black hole down", during: forgotten(false, true), want: exactOrLost},
		{name: "socket/black hole, output dropped", emulator: dropping, during: forgotten(true, true), want: exactOrLost},
		{name: "socket/black hole for all for 5 s", during: first(func(w *rig.World) {
			spell(gateway.Network{BlackHoleUp: true, BlackHoleDown: true}, 5*time.Second)(w, 0)
		}), want: exactOrLost},
		{name: "socket/nothing passes for 3 s", during: spell(gateway.Network{Outage: true}, 3*time.Second), want: exact},
		{name: "socket/cut, output kept", emulator: keeping, during: cut, want: exact, after: resumed},
		{name: "socket/cut, output dropped", emulator: dropping, during: cut, want: exact, after: resumed},
		{name: "socket/cut, agent never paused", emulator: func(c *awsemu.Config) { c.NeverPause = true }, during: cut, want: exact, after: resumed},
		{name: "socket/cut, agent paused late", emulator: func(c *awsemu.Config) { c.PauseAfter = 100 * time.Millisecond }, during: cut, want: exact, after: resumed},
		{name: "socket/closed hourly, output kept", emulator: keeping, during: bye, want: exact, after: resumed},
		{name: "socket/closed hourly, output dropped", emulator: dropping, during: bye, want: exact, after: resumed},
		{name: "socket/cut mid message up", during: func(w *rig.World, _ int) { w.AWS.CutMidMessage(gateway.ToAgent) }, want: exact, after: resumed},
		{name: "socket/cut mid message down", during: func(w *rig.World, _ int) { w.AWS.CutMidMessage(gateway.ToClient) }, want: exact, after: resumed},
		{name: "socket/80 ms round trip, jitter", before: network(gateway.Network{RoundTrip: 80 * time.Millisecond, Jitter: 20 * time.Millisecond}), want: exact},
		{name: "socket/300 ms round trip", before: network(gateway.Network{RoundTrip: 300 * time.Millisecond}), want: exact},
		{name: "socket/500 KB a second", before: network(gateway.Network{Rate: 500_000, RoundTrip: 20 * time.Millisecond}), want: exact},
		{name: "socket/slow reader", before: network(gateway.Network{SlowReader: 300_000}), want: exact},
		{name: "socket/cut on a far network", before: network(gateway.Network{RoundTrip: 80 * time.Millisecond, Jitter: 20 * time.Millisecond}), during: cut, want: exact, after: resumed},
	}
}

// acksThenMessage loses so many acknowledgements of the client in a row, and
// then one message to it.
func acksThenMessage(acks int) gateway.Intercept {
	ack, data := []byte("acknowledge"), []byte("output_stream_data")
	var lostAcks, lostData atomic.Int64
	return func(_ string, way gateway.Direction, msg []byte) []gateway.Delivery {
		is := func(kind []byte) bool { return len(msg) > 36 && bytes.HasPrefix(msg[4:36], kind) }
		switch {
		case way == gateway.ToAgent && is(ack) && lostAcks.Load() < int64(acks):
			lostAcks.Add(1)
			return nil
		case way == gateway.ToClient && is(data) && lostAcks.Load() >= int64(acks) && lostData.CompareAndSwap(0, 1):
			return nil
		}
		return []gateway.Delivery{{Message: msg}}
	}
}

// afterLogins lets f act on what comes after some hundred messages, when the
// clients have logged in.
func afterLogins(f gateway.Intercept) gateway.Intercept {
	var seen atomic.Int64
	return func(session string, way gateway.Direction, msg []byte) []gateway.Delivery {
		if seen.Add(1) < 500 {
			return []gateway.Delivery{{Message: msg}}
		}
		return f(session, way, msg)
	}
}

func messageFaults() []fault {
	const seed = 1
	all := []fault{
		{name: "message/as text", spoil: gateway.AsText(0.2, seed), want: exact},
		// The agent does not look at digests: TLS and mux find out.
		{name: "message/corrupt payload up, taken", spoil: afterLogins(gateway.OnlyData(gateway.Corrupt(gateway.ToAgent, 0.02, seed))), want: exactOrLost},
		// The agent asks for each acknowledgement with a resend, ten a second, before
		// it comes to the message that is missing.
		{name: "message/many acknowledgements lost, then a message", during: func(w *rig.World, times int) {
			if times == 1 {
				w.AWS.SetIntercept(acksThenMessage(300))
			}
		}, want: exact},
		{name: "message/unknown payload type", during: func(w *rig.World, _ int) { w.AWS.SendPayload(99, []byte("what is this")) }, want: exact},
	}
	for way, name := range []string{"up", "down"} {
		way := gateway.Direction(way)
		for _, f := range []struct {
			name string
			f    gateway.Intercept
		}{
			{"lose", gateway.Lose(way, 0.01, seed)},
			{"lose acknowledgements", gateway.OnlyAcks(gateway.Lose(way, 0.02, seed))},
			{"duplicate", gateway.Duplicate(way, 0.2, 20*time.Millisecond, seed)},
			{"reorder", gateway.Reorder(way, 0.2, 50*time.Millisecond, seed)},
			{"delay", gateway.Delay(way, 60*time.Millisecond)},
			{"corrupt payload", gateway.OnlyData(gateway.Corrupt(way, 0.01, seed))},
			{"wrong digest", gateway.OnlyData(gateway.WrongDigest(way, 0.01, seed))},
			{"short frame", gateway.ShortFrame(way, 0.01, seed)},
			{"huge header length", gateway.HugeHeader(way, 0.01, seed)},
			{"unknown type", gateway.UnknownType(way, 0.1, seed)},
			{"all at once", gateway.Chain(gateway.Lose(way, 0.005, seed), gateway.Duplicate(way, 0.05, 10*time.Millisecond, seed+1), gateway.Reorder(way, 0.1, 20*time.Millisecond, seed+2))},
		} {
			all = append(all, fault{name: "message/" + f.name + " " + name, emulator: strict, spoil: f.f, want: exact})
		}
	}
	return all
}

func handshakeFaults() []fault {
	agent := func(version string) func(*awsemu.Config) {
		return func(c *awsemu.Config) { c.AgentVersion = version }
	}
	return []fault{
		// An agent of this age ends a mux that is silent for 30 s.
		{name: "handshake/agent 3.1.1511.0, idle", emulator: agent("3.1.1511.0"), rest: func(*rig.World) { <-time.After(32 * time.Second) }, want: exact},
		{name: "handshake/agent 3.1.1188.0", emulator: agent("3.1.1188.0"), want: exact},
		{name: "handshake/agent 3.0.196.0", emulator: agent("3.0.196.0"), want: refused, state: "08001"},
		{name: "handshake/unknown action", spoil: gateway.UnknownAction(), want: refused, state: "08001"},
		{name: "handshake/encryption", spoil: gateway.KMSEncryption(), want: refused, state: "08001"},
		{name: "handshake/customer message", emulator: func(c *awsemu.Config) { c.CustomerMessage = "all sessions are recorded" }, want: exact},
	}
}

func agentFaults() []fault {
	target := func(wrap func(net.Conn, int) net.Conn, after int) func(*rig.World) {
		return func(w *rig.World) {
			w.AWS.SetDial(gateway.Targets(func(i int, conn net.Conn) net.Conn {
				if i > 0 {
					return nil
				}
				return wrap(conn, after)
			}))
		}
	}
	return []fault{
		{name: "agent/silent", during: first(func(w *rig.World) { w.AWS.FreezeAgents(true) }), want: lost},
		{name: "agent/killed", during: first(func(w *rig.World) { w.AWS.KillAgents() }), want: lost},
		{name: "agent/killed in a download", during: second(func(w *rig.World) { w.AWS.KillAgents() }), want: exactOrLost, size: 1 << 20},
		{name: "agent/killed, the service says nothing", emulator: func(c *awsemu.Config) { c.NeverPause = true }, during: first(func(w *rig.World) { w.AWS.KillAgents() }), want: lost},
		// So much that a database which takes nothing would explain the silence, too.
		{name: "agent/killed in a large upload, the service says nothing", emulator: func(c *awsemu.Config) { c.NeverPause = true },
			// Where the machine is too busy for the transport's signs of life, the agent has
			// 30 s. That it has 15 s otherwise is shown in tunnel/datachannel.
			during: first(func(w *rig.World) { w.AWS.KillAgents() }), want: lost, size: 24 << 20, limit: 45 * time.Second},
		// It may be for 14 s, which tunnel/datachannel shows: here the machine takes its part.
		{name: "agent/away for 6 s", rest: func(w *rig.World) { w.AWS.CutAgents(6 * time.Second) }, want: exact},
		{name: "agent/away for 6 s, input dropped", emulator: dropping, rest: func(w *rig.World) { w.AWS.CutAgents(6 * time.Second) }, want: exact},
		{name: "agent/restarted, counters lost", emulator: func(c *awsemu.Config) { c.HandshakeLimit = 10 * time.Second }, during: first(func(w *rig.World) { w.AWS.RestartAgents() }), want: lost},
		{name: "agent/away for 50 ms", during: func(w *rig.World, _ int) { w.AWS.CutAgents(50 * time.Millisecond) }, want: exact},
		{name: "agent/away for 50 ms, input dropped", emulator: dropping, during: func(w *rig.World, _ int) { w.AWS.CutAgents(50 * time.Millisecond) }, want: exact},
		// What the agent reads meanwhile comes at ten messages a second. That is waited for
		// as long as it goes on, a minute at most.
		{name: "agent/away for 1 s", during: func(w *rig.World, _ int) { w.AWS.CutAgents(time.Second) }, want: exactOrLost, size: 1 << 20, limit: time.Minute + rig.ErrorLimit},
		// The repair takes some 30 s.
		{name: "agent/away for 350 ms in a download", during: second(func(w *rig.World) { w.AWS.CutAgents(350 * time.Millisecond) }), want: exact, size: 1 << 20},
		{name: "agent/not ready for 3 s", emulator: func(c *awsemu.Config) { c.PluginDelay = 3 * time.Second }, want: exact},
		{name: "agent/dials refused", before: func(w *rig.World) { w.AWS.SetDial(gateway.RefuseDials(-1)) }, want: refused, state: "08001"},
		{name: "agent/first dial refused", before: func(w *rig.World) { w.AWS.SetDial(gateway.RefuseDials(1)) }, want: exact},
		{name: "agent/first dial hangs", before: func(w *rig.World) { w.AWS.SetDial(gateway.HangDials(1, nil)) }, want: exact},
		{name: "agent/target half-closes", before: target(gateway.HalfClosingTarget, 100_000), want: firstLost},
		{name: "agent/target resets", before: target(gateway.ResetTarget, 100_000), want: firstLost},
	}
}

func pauseFaults() []fault {
	return []fault{
		{name: "pause/without start", during: func(w *rig.World, _ int) { w.AWS.Publish("pause_publication") }, want: exact},
		{name: "pause/start without pause", during: func(w *rig.World, _ int) { w.AWS.Publish("start_publication") }, want: exact},
		{name: "pause/for half a second", during: func(w *rig.World, _ int) {
			w.AWS.Publish("pause_publication")
			time.AfterFunc(500*time.Millisecond, func() { w.AWS.Publish("start_publication") })
		}, want: exact},
	}
}

func endFaults() []fault {
	end := func(f func(w *rig.World, id string)) func(*rig.World, int) {
		return first(func(w *rig.World) {
			for _, s := range w.AWS.Sessions() {
				if s.Ended.IsZero() {
					f(w, s.ID)
				}
			}
		})
	}
	return []fault{
		{name: "end/from outside", during: end(func(w *rig.World, id string) { w.AWS.TerminateSession(id, "") }), want: lost},
		{name: "end/with words", during: end(func(w *rig.World, id string) { w.AWS.TerminateSession(id, "the instance is stopping") }), want: lost},
		{name: "end/broken JSON", during: end(func(w *rig.World, id string) { w.AWS.CloseChannel(id, []byte(`{"Output":`)) }), want: lost},
		{name: "end/long header", emulator: func(c *awsemu.Config) { c.FullHeaderClose = true }, during: end(func(w *rig.World, id string) { w.AWS.TerminateSession(id, "") }), want: lost},
		// A check of the agent, 2 s after its last word, is activity once more.
		{name: "end/idle", rest: func(w *rig.World) {
			w.AWS.SetIdleTimeout(3 * time.Second)
			awaitEnded(w)
			w.AWS.SetIdleTimeout(0)
		}, want: lost},
		{name: "end/maximum duration", during: first(func(w *rig.World) { w.AWS.ExpireSessions() }), want: lost},
	}
}

// awaitEnded waits until the sessions of now have ended.
func awaitEnded(w *rig.World) {
	w.T.Helper()
	ctx, cancel := context.WithTimeout(w.T.Context(), rig.ErrorLimit)
	defer cancel()
	if err := w.AWS.Await(ctx, gateway.AllEnded); err != nil {
		w.T.Errorf("sessions live on: %+v", w.AWS.Sessions())
	}
}
