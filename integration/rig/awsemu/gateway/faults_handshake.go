package gateway

import "encoding/json"

// The Intercepts here change the agent's HandshakeRequest, every copy alike.
// StartDelay makes it late; AgentVersion and CustomerMessage are settings too.

// NoHandshake loses every HandshakeRequest.
func NoHandshake() Intercept {
	return func(_ string, _ Direction, msg []byte) []Delivery {
		if m, err := decode(msg); err == nil && m.payloadType == payloadHandshakeRequest {
			return nil
		}
		return []Delivery{{Message: msg}}
	}
}

// TwoHandshakes doubles every HandshakeRequest.
func TwoHandshakes() Intercept {
	return only(Duplicate(ToClient, 1, 0, 0), func(m message) bool { return m.payloadType == payloadHandshakeRequest })
}

// UnknownAction asks for an action that no client knows, beside SessionType.
func UnknownAction() Intercept {
	return editHandshake(func(actions []any) []any {
		return append(actions, map[string]any{"ActionType": "Telepathy", "ActionParameters": map[string]any{}})
	})
}

// KMSEncryption asks for an encrypted session, as for shells.
func KMSEncryption() Intercept {
	return editHandshake(func(actions []any) []any {
		return append(actions, map[string]any{
			"ActionType": "KMSEncryption",
			"ActionParameters": map[string]any{
				"KMSKeyId": "arn:aws:kms:us-east-1:123456789012:key/none", "Challenge": "AAAAAAAAAAAAAAAAAAAAAA==",
			},
		})
	})
}

// OtherSession says that the document started a session of another type.
func OtherSession(sessionType string) Intercept {
	return editParameters(func(p map[string]any) { p["SessionType"] = sessionType })
}

// NoProperties leaves out the document's properties.
func NoProperties() Intercept {
	return editParameters(func(p map[string]any) { delete(p, "Properties") })
}

// editParameters changes the parameters of the SessionType action.
func editParameters(f func(map[string]any)) Intercept {
	return editHandshake(func(actions []any) []any {
		if len(actions) > 0 {
			if action, ok := actions[0].(map[string]any); ok {
				if p, ok := action["ActionParameters"].(map[string]any); ok {
					f(p)
				}
			}
		}
		return actions
	})
}

// editHandshake changes the requested actions.
func editHandshake(f func(actions []any) []any) Intercept {
	return func(_ string, _ Direction, msg []byte) []Delivery {
		m, err := decode(msg)
		var request map[string]any
		if err != nil || m.payloadType != payloadHandshakeRequest || json.Unmarshal(m.payload, &request) != nil {
			return []Delivery{{Message: msg}}
		}
		actions, _ := request["RequestedClientActions"].([]any)
		request["RequestedClientActions"] = f(actions)
		m.payload = mustJSON(request)
		return []Delivery{{Message: m.encode()}}
	}
}
