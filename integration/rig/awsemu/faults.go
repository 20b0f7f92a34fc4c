package awsemu

import (
	"context"
	"maps"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu/gateway"
)

// failure is an operation's fault.
type failure struct {
	err *apiError
	n   gateway.Countdown
}

// FailNext makes the next n calls of an operation ("StartSession", …,
// "GetCallerIdentity") fail with the AWS error code and message; n below zero
// means from now on, zero ends it.
func (e *Emulator) FailNext(operation, code, message string, n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.failures[operation] = &failure{err: failed(code, message), n: gateway.Countdown(n)}
}

// injected is the fault that an operation is to meet now, or nil. It counts the
// call.
func (e *Emulator) injected(operation string) *apiError {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls[operation]++
	if f := e.failures[operation]; f != nil && f.n.Take() {
		return f.err
	}
	return nil
}

// Calls is how often each operation was called with a good signature, those that
// met a fault among them.
func (e *Emulator) Calls() map[string]int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return maps.Clone(e.calls)
}

// SetOnline says whether a target's agent is online; StartSession for one that
// is not gives TargetNotConnected. Sessions that are up are not touched.
func (e *Emulator) SetOnline(target string, online bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.targets != nil {
		e.targets[target] = online
	}
	e.offline[target] = !online
}

// online says whether a target's agent is online.
func (e *Emulator) online(target string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.targets != nil {
		return e.targets[target]
	}
	return targetForm.MatchString(target) && !e.offline[target]
}

// slowness is an operation's delay.
type slowness struct {
	by time.Duration
	n  gateway.Countdown
}

// SlowNext delays the answers to the next n calls of an operation; n below zero
// means from now on, zero ends it.
func (e *Emulator) SlowNext(operation string, by time.Duration, n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.slow[operation] = &slowness{by: by, n: gateway.Countdown(n)}
}

// dawdle waits as SlowNext has it.
func (e *Emulator) dawdle(ctx context.Context, operation string) {
	e.mu.Lock()
	by := time.Duration(0)
	if s := e.slow[operation]; s != nil && s.n.Take() {
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
	e.resumeless = gateway.Countdown(n)
}
