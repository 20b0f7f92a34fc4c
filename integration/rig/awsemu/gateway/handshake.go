package gateway

import (
	"encoding/json"
	"fmt"
	"time"
)

// errorBanner stands before what the agent says about a failed start.
const errorBanner = "\n----------ERROR-------\n"

// sendHandshakeRequest is the agent's first word: output 0.
func (a *agent) sendHandshakeRequest() {
	a.began = time.Now()
	_ = a.sendData(payloadHandshakeRequest, mustJSON(handshakeRequest{
		AgentVersion: a.cfg.AgentVersion,
		RequestedClientActions: []requestedAction{{
			ActionType:       sessionTypeAction,
			ActionParameters: sessionTypeParameters{SessionType: portSessionType, Properties: a.s.properties},
		}},
	}))
}

// handshakeTimer gives the client HandshakeLimit to answer.
func (a *agent) handshakeTimer() {
	if a.cfg.HandshakeLimit <= 0 {
		return
	}
	select {
	case <-time.After(a.cfg.HandshakeLimit):
		a.fail(errorBanner + "Encountered error while initiating handshake. Handshake timed out. " +
			"Please ensure that you have the latest version of the session manager plugin.")
	case <-a.answered:
	case <-a.ctx.Done():
	}
}

// handleResponse takes the HandshakeResponse. Any status but success ends the
// session.
func (a *agent) handleResponse(payload []byte) (then func()) {
	if a.responded {
		return nothing
	}
	a.responded = true
	close(a.answered)
	var r handshakeResponse
	if err := json.Unmarshal(payload, &r); err != nil {
		return func() { a.fail(errorBanner + "Encountered error while initiating handshake. " + err.Error()) }
	}
	for _, action := range r.ProcessedClientActions {
		if action.ActionStatus != actionSuccess {
			text := fmt.Sprintf("%sEncountered error while initiating handshake. %s on client failed with status %d error: %s",
				errorBanner, action.ActionType, action.ActionStatus, action.Error)
			return func() { a.fail(text) }
		}
	}
	a.clientVersion = r.ClientVersion
	a.s.noteVersion(r.ClientVersion)
	return a.completeHandshake
}

// completeHandshake sends output 1 and starts the port plugin. The switch is
// flipped before sending, unless LateSwitch is set: a real network hides that
// the genuine agent does it just after, an emulator would not.
func (a *agent) completeHandshake() {
	if !a.cfg.LateSwitch {
		a.complete = true
	}
	_ = a.sendData(payloadHandshakeComplete, mustJSON(handshakeComplete{
		HandshakeTimeToComplete: time.Since(a.began),
		CustomerMessage:         a.cfg.CustomerMessage,
	}))
	a.switchDue = !a.complete
	a.wg.Go(func() {
		if sleep(a.ctx, a.cfg.PluginDelay) {
			a.startPort()
		}
	})
}
