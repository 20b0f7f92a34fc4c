package datachannel

import (
	"encoding/json"
	"fmt"

	"github.com/pgkeyless/pgkeyless/internal/agentversion"
	"github.com/pgkeyless/pgkeyless/internal/display"
)

// Values of ActionStatus. Anything but success makes the agent end the session.
const (
	statusSuccess     = 1
	statusFailed      = 2
	statusUnsupported = 3
)

const (
	actionSessionType   = "SessionType"
	sessionTypePort     = "Port"
	typeLocalForwarding = "LocalPortForwarding"

	defaultClientVersion = "1.2.804.0" // a real release: it makes agents turn smux keepalive off

	maxActions = 16 // ours; agents ask for two at most
)

// Why a handshake is refused, for the agent and for people.
const (
	reasonTooOld         = "the agent is too old to carry several connections in one session"
	reasonNotForwarding  = "the session document does not ask for LocalPortForwarding"
	reasonUnreadable     = "the handshake request cannot be read"
	reasonNoSessionType  = "the handshake request names no session type"
	reasonTooManyActions = "the handshake request asks for too many actions"
)

// handshakeRequest is the agent's first message. Keys that are missing or new
// are no error.
type handshakeRequest struct {
	AgentVersion           string
	RequestedClientActions []requestedAction
}

type requestedAction struct {
	ActionType       string
	ActionParameters json.RawMessage
}

// sessionTypeParameters belong to the SessionType action. Properties is what the
// document makes of it, an object or nothing.
type sessionTypeParameters struct {
	SessionType string
	Properties  json.RawMessage
}

type handshakeResponse struct {
	ClientVersion          string
	ProcessedClientActions []processedAction
	Errors                 []string
}

type processedAction struct {
	ActionType   string
	ActionStatus int
	ActionResult any // never set: no action of a port session has a result
	Error        string
}

// answer makes the payload of the HandshakeResponse, one entry for each action
// in the request's order. The error, a *HandshakeError, says why the session
// cannot be carried; the payload then tells the agent so and is still to be
// sent, unless it is nil.
func (r *handshakeRequest) answer(clientVersion string) ([]byte, error) {
	response := handshakeResponse{ClientVersion: clientVersion, ProcessedClientActions: []processedAction{}}
	refuse := ""
	if len(r.RequestedClientActions) > maxActions {
		return nil, &HandshakeError{AgentVersion: display.Line(r.AgentVersion), Reason: reasonTooManyActions}
	}
	named := false
	for _, action := range r.RequestedClientActions {
		done := processedAction{ActionType: action.ActionType, ActionStatus: statusSuccess}
		if action.ActionType == actionSessionType {
			named = true
			if done.Error = r.refuseSession(action.ActionParameters); done.Error != "" {
				done.ActionStatus = statusFailed
			}
		} else {
			done.ActionStatus = statusUnsupported
			done.Error = "Unsupported action " + action.ActionType
		}
		if done.Error != "" {
			response.Errors = append(response.Errors, done.Error)
			refuse = done.Error
		}
		response.ProcessedClientActions = append(response.ProcessedClientActions, done)
	}
	if refuse == "" && !named {
		refuse = reasonNoSessionType
	}
	payload, err := json.Marshal(response)
	if err != nil { // cannot be: strings and numbers only
		return nil, &HandshakeError{AgentVersion: display.Line(r.AgentVersion), Reason: err.Error()}
	}
	if refuse != "" {
		return payload, &HandshakeError{AgentVersion: display.Line(r.AgentVersion), Reason: display.Line(refuse)}
	}
	return payload, nil
}

// refuseSession says why a session with these parameters cannot be carried; ""
// means that it can.
func (r *handshakeRequest) refuseSession(parameters json.RawMessage) string {
	var p sessionTypeParameters
	if err := json.Unmarshal(parameters, &p); err != nil || p.SessionType == "" {
		return reasonNoSessionType
	}
	if p.SessionType != sessionTypePort {
		return fmt.Sprintf("session type %s instead of Port", p.SessionType)
	}
	// Properties of another shape count as none.
	var properties struct{ Type any }
	_ = json.Unmarshal(p.Properties, &properties)
	if properties.Type != typeLocalForwarding {
		return reasonNotForwarding
	}
	if !agentversion.After(r.AgentVersion, agentversion.LastWithoutMux) {
		return reasonTooOld
	}
	return ""
}

// wantsKeepAlive: the agent ends the session when no smux frame arrives for 30 s.
func (r *handshakeRequest) wantsKeepAlive() bool {
	return !agentversion.After(r.AgentVersion, agentversion.LastWithKeepAlive)
}

func parseHandshakeRequest(payload []byte) (handshakeRequest, error) {
	var r handshakeRequest
	if err := json.Unmarshal(payload, &r); err != nil {
		return r, &HandshakeError{Reason: reasonUnreadable}
	}
	return r, nil
}
