package awsemu

import (
	"context"
	"time"
)

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
func (e *Emulator) FailConnect(step ConnectStep, n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := countdown(n)
	e.connects[step] = &c
}

// fails says whether a connect is to fail at step now.
func (e *Emulator) fails(step ConnectStep) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.connects[step]
	return c != nil && c.take()
}

// slowness is an operation's delay.
type slowness struct {
	by time.Duration
	n  countdown
}

// SlowNext delays the answers to the next n calls of an operation; n below zero
// means from now on, zero ends it.
func (e *Emulator) SlowNext(operation string, by time.Duration, n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.slow[operation] = &slowness{by: by, n: countdown(n)}
}

// dawdle waits as SlowNext has it.
func (e *Emulator) dawdle(ctx context.Context, operation string) {
	e.mu.Lock()
	by := time.Duration(0)
	if s := e.slow[operation]; s != nil && s.n.take() {
		by = s.by
	}
	e.mu.Unlock()
	if by <= 0 {
		return
	}
	select {
	case <-time.After(by):
	case <-ctx.Done():
	case <-e.ctx.Done():
	}
}

// SetStreamOrigin changes what stream URLs begin with, "wss://HOST"; "" restores
// it.
func (e *Emulator) SetStreamOrigin(origin string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.origin = origin
}

// EndOnResume ends a session when it is to be resumed, n times: the answer has
// no token.
func (e *Emulator) EndOnResume(n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.resumeless = countdown(n)
}

// SetDropWhileAbsent changes the setting of that name.
func (e *Emulator) SetDropWhileAbsent(drop bool) { e.dropping.Store(drop) }

// CloseChannel ends a session from outside with any payload in channel_closed;
// false if it is not live.
func (e *Emulator) CloseChannel(id string, payload []byte) bool {
	e.mu.Lock()
	s := e.sessions[id]
	e.mu.Unlock()
	return s != nil && s.endWith(EndOperator, "", payload)
}
