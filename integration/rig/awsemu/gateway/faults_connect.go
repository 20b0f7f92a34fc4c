package gateway

// ConnectStep is where in the opening of a data channel something goes wrong.
type ConnectStep int

const (
	UpgradeHangs     ConnectStep = iota // no answer to the HTTP request
	ClosesBeforeOpen                    // the websocket is dropped before the open message
	ClosesAfterOpen                     // and after it
	RefusesToken                        // the token is met as a wrong one is
)

// FailConnect makes the next n connects fail at a step; n below zero means from
// now on, zero ends it. See RefuseUpgrades for an answer of HTTP.
func (g *Gateway) FailConnect(step ConnectStep, n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := Countdown(n)
	g.connects[step] = &c
}

// fails says whether a connect is to fail at step now.
func (g *Gateway) fails(step ConnectStep) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.connects[step]
	return c != nil && c.Take()
}

// SetDropWhileAbsent changes the setting of that name.
func (g *Gateway) SetDropWhileAbsent(drop bool) { g.dropping.Store(drop) }

// CloseChannel ends a session from outside with any payload in channel_closed;
// false if it is not live.
func (g *Gateway) CloseChannel(id string, payload []byte) bool {
	g.mu.Lock()
	s := g.sessions[id]
	g.mu.Unlock()
	return s != nil && s.endWith(EndOperator, "", payload)
}
