package gateway

import "time"

// agents are those of the live sessions.
func (g *Gateway) agents() []*agent {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []*agent
	for _, s := range g.order {
		if s.agent != nil && s.live() {
			all = append(all, s.agent)
		}
	}
	return all
}

// FreezeAgents makes the agents of the present sessions fall silent: they read
// nothing and send nothing, while the service and the websocket live on. False
// lets all go on. Later sessions are not touched. It returns how many there are.
func (g *Gateway) FreezeAgents(frozen bool) int {
	all := g.agents()
	for _, a := range all {
		if frozen {
			a.frozen.shut()
		} else {
			a.frozen.open()
		}
	}
	return len(all)
}

// FailAgents makes the agents of sessions to come end them with output in place of
// a handshake, as they do when they cannot open their side; "" ends that.
func (g *Gateway) FailAgents(output string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.agentFailure = output
}

// CutAgents takes the websocket of every present agent away for a while. The
// agents go on reading their targets, into the buffer that they resend from,
// one message each tick. What clients send waits, or is lost with
// DropWhileAbsent. Clients are told by pause_publication, but for NeverPause, and by
// start_publication. It returns how many there are.
func (g *Gateway) CutAgents(away time.Duration) int {
	all := g.agents()
	for _, a := range all {
		a.offline.shut()
		if !g.cfg.NeverPause {
			a.s.publish(typePause)
		}
		g.goRun(func() {
			back := sleep(a.ctx, away)
			if g.dropping.Load() {
				a.s.toAgent.clear()
			}
			a.gate.open()
			a.offline.open()
			if back {
				a.s.publish(typeStart)
			}
		})
	}
	return len(all)
}

// KillAgents kills the workers of the present sessions. A dead worker closes its
// sockets, the targets' too, and never says a word again: it is the service that
// tells the clients, by pause_publication, that its websocket is gone, but for
// NeverPause. The sessions live on. It returns how many workers there were, when
// they are gone.
func (g *Gateway) KillAgents() int {
	all := g.agents()
	for _, a := range all {
		a.killed.Store(true)
		a.cancel()
	}
	for _, a := range all {
		<-a.done
		if !g.cfg.NeverPause {
			a.s.publish(typePause)
		}
	}
	return len(all)
}

// RestartAgents replaces the agents of the present sessions by new ones that
// know nothing of them: they count from 0, and shake hands. It returns how many
// there are, when the old ones are gone.
func (g *Gateway) RestartAgents() int {
	all := g.agents()
	for _, old := range all {
		s := old.s
		s.watch.agentRestarts()
		old.cancel()
		<-old.done
		fresh := newAgent(s.ctx, s)
		g.mu.Lock()
		s.agent = fresh
		g.mu.Unlock()
		g.goRun(fresh.run)
	}
	return len(all)
}

// SendPayload makes every agent send a payload of any type in a data message,
// and returns how many there are.
func (g *Gateway) SendPayload(payloadType uint32, payload []byte) int {
	all := g.agents()
	for _, a := range all {
		_ = a.sendData(payloadType, payload)
	}
	return len(all)
}
