package datachannel

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/agentversion"
	"github.com/pgkeyless/pgkeyless/internal/display"
)

const portRequest = `{"AgentVersion":"3.3.987.0","RequestedClientActions":[{"ActionType":"SessionType","ActionParameters":` +
	`{"SessionType":"Port","Properties":{"host":"db.internal","portNumber":"5432","type":"LocalPortForwarding"}}}]}`

func TestHandshakeAnswer(t *testing.T) {
	vectors := readVectors(t)
	response, err := Parse(vectors.named(t, "client_handshake_response_seq0"))
	if err != nil {
		t.Fatal(err)
	}
	agents, err := Parse(vectors.named(t, "agent_handshake_request_seq0"))
	if err != nil {
		t.Fatal(err)
	}
	kms, err := Parse(vectors.named(t, "agent_handshake_request_with_kms"))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		request string
		want    string // the answer, or a part of it
		refused string // a part of the error; "": none
	}{
		{name: "agent's own", request: string(agents.Payload), want: string(response.Payload)},
		{
			name: "KMS and another session type", request: string(kms.Payload),
			want:    `"ActionType":"KMSEncryption","ActionStatus":3,"ActionResult":null,"Error":"Unsupported action KMSEncryption"`,
			refused: "Unsupported action KMSEncryption",
		},
		{
			name:    "unknown action first",
			request: strings.Replace(portRequest, `[{`, `[{"ActionType":"Foo"},{`, 1),
			want: `{"ClientVersion":"1.2.804.0","ProcessedClientActions":[` +
				`{"ActionType":"Foo","ActionStatus":3,"ActionResult":null,"Error":"Unsupported action Foo"},` +
				`{"ActionType":"SessionType","ActionStatus":1,"ActionResult":null,"Error":""}],"Errors":["Unsupported action Foo"]}`,
			refused: "Unsupported action Foo",
		},
		{
			name:    "shell",
			request: strings.Replace(portRequest, `"Port"`, `"Standard_Stream"`, 1),
			want:    `"ActionStatus":2,"ActionResult":null,"Error":"session type Standard_Stream instead of Port"`,
			refused: "Standard_Stream",
		},
		{
			name:    "document without type",
			request: strings.Replace(portRequest, `"type"`, `"kind"`, 1),
			want:    `"ActionStatus":2`, refused: "LocalPortForwarding",
		},
		{
			name:    "properties of another shape",
			request: strings.Replace(portRequest, `{"host":"db.internal","portNumber":"5432","type":"LocalPortForwarding"}`, `7`, 1),
			want:    `"ActionStatus":2`, refused: "LocalPortForwarding",
		},
		{
			name:    "no properties",
			request: `{"AgentVersion":"3.3.987.0","RequestedClientActions":[{"ActionType":"SessionType","ActionParameters":{"SessionType":"Port"}}]}`,
			want:    `"ActionStatus":2`, refused: "LocalPortForwarding",
		},
		{
			name:    "type is no text",
			request: strings.Replace(portRequest, `"LocalPortForwarding"`, `["LocalPortForwarding"]`, 1),
			want:    `"ActionStatus":2`, refused: "LocalPortForwarding",
		},
		{
			name:    "old agent",
			request: strings.Replace(portRequest, "3.3.987.0", "3.0.196.0", 1),
			want:    `"ActionStatus":2`, refused: "agent 3.0.196.0: the agent is too old",
		},
		{name: "extra keys", request: strings.Replace(portRequest, `{"AgentVersion"`, `{"New":[1],"AgentVersion"`, 1), want: string(response.Payload)},
		{name: "no actions", request: `{"AgentVersion":"3.3.987.0"}`, want: `"ProcessedClientActions":[]`, refused: "names no session type"},
		{name: "session type without parameters", request: `{"RequestedClientActions":[{"ActionType":"SessionType"}]}`, want: `"ActionStatus":2`, refused: "names no session type"},
		{
			name:    "too many actions",
			request: `{"RequestedClientActions":[` + strings.Repeat(`{},`, 16) + `{}]}`,
			refused: "too many actions",
		},
		{
			name:    "terminal escapes in an action",
			request: `{"RequestedClientActions":[{"ActionType":"\u001b[2J\u0007Foo\n"}]}`,
			want:    `"Error":"Unsupported action \u001b[2J\u0007Foo\n"`, refused: `Unsupported action \x1b[2J\aFoo`,
		},
	}
	for _, test := range tests {
		request, err := parseHandshakeRequest([]byte(test.request))
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		got, err := request.answer("1.2.804.0")
		if strings.HasPrefix(test.want, `{"Client`) && string(got) != test.want || !strings.Contains(string(got), test.want) {
			t.Errorf("%s: answer\n%s, want\n%s", test.name, got, test.want)
		}
		if test.want == "" && got != nil {
			t.Errorf("%s: answer %s, want none", test.name, got)
		}
		var refused *HandshakeError
		if (test.refused != "") != errors.As(err, &refused) || refused != nil && !strings.Contains(err.Error(), test.refused) {
			t.Errorf("%s: error %v, want %q", test.name, err, test.refused)
		}
		if err != nil && bytes.ContainsAny([]byte(err.Error()), "\x1b\x07\n") {
			t.Errorf("%s: error %q has control characters", test.name, err)
		}
	}
}

func TestHandshakeRequestUnreadable(t *testing.T) {
	for _, payload := range []string{"", "{", "[]", `{"AgentVersion":7}`, "\xff"} {
		_, err := parseHandshakeRequest([]byte(payload))
		var want *HandshakeError
		if !errors.As(err, &want) {
			t.Errorf("%q: got %v, want a HandshakeError", payload, err)
		}
	}
}

// The official client's own table.
func TestVersionsOfAgents(t *testing.T) {
	for _, row := range readVectors(t).AgentGate {
		if got := agentversion.After(row.AgentVersion, agentversion.LastWithoutMux); got != row.ClientUsesMux {
			t.Errorf("agent %q: mux %v, want %v", row.AgentVersion, got, row.ClientUsesMux)
		}
		request := handshakeRequest{AgentVersion: row.AgentVersion}
		if got := !request.wantsKeepAlive(); got != row.ClientDisablesSmuxKeepalive {
			t.Errorf("agent %q: keepalive off %v, want %v", row.AgentVersion, got, row.ClientDisablesSmuxKeepalive)
		}
	}
	for _, test := range []struct {
		version string
		want    bool
	}{
		{"3.0.196.1", true}, {"3.0.1000.0", true}, {"10.0.0.0", true}, {"3.0.195.9", false},
		{"3.1.x.0", false}, {"4", false}, {"3.3.987.0.0", false}, {"-4.0.0.0", false},
	} {
		if got := agentversion.After(test.version, agentversion.LastWithoutMux); got != test.want {
			t.Errorf("%s after %s: %v, want %v", test.version, agentversion.LastWithoutMux, got, test.want)
		}
	}
}

func TestClosedOutput(t *testing.T) {
	for _, test := range []struct{ payload, want string }{
		{`{"Output":"bye"}`, "bye"},
		{`{"Output":""}`, ""},
		{`{}`, ""},
		{`{"Output":`, ""},
		{"", ""},
		{`{"Output":7}`, ""},
		{`{"Output":"\n----------ERROR-------\nSetting up data channel with id x failed: no\n"}`, "Setting up data channel with id x failed: no"},
		{`{"Output":"a\u001b[31mb\r\n\tc\u202ed"}`, display.Line("a\x1b[31mb\r\n\tc\u202ed")},
		{`{"Output":"` + strings.Repeat("é", 3000) + `"}`, display.Line(strings.Repeat("é", 3000))},
	} {
		if got := closedOutput([]byte(test.payload)); got != test.want {
			t.Errorf("%.60s: got %q, want %q", test.payload, got, test.want)
		}
	}
}

func TestCustomerMessage(t *testing.T) {
	complete, err := Parse(readVectors(t).named(t, "agent_handshake_complete_seq1"))
	if err != nil {
		t.Fatal(err)
	}
	for payload, want := range map[string]string{
		string(complete.Payload): "",
		`{"HandshakeTimeToComplete":1,"CustomerMessage":"hi\u0007 there"}`: `hi\a there`,
		`{`: "",
	} {
		if got := customerMessage([]byte(payload)); got != want {
			t.Errorf("%s: got %q, want %q", payload, got, want)
		}
	}
}
