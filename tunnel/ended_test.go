package tunnel

import (
	"errors"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/tunnel/datachannel"
	"github.com/pgkeyless/pgkeyless/tunnel/mux"
)

func TestAgentRefusals(t *testing.T) {
	tests := []struct{ output, msg, hint string }{
		{"Forwarding to IP address 169.254.169.254 is forbidden.", "must not forward", "reserved addresses"},
		{"lookup db.internal on 10.0.0.2:53: no such host", "cannot resolve", "typing errors"},
		{"lookup db.internal: i/o timeout", "cannot resolve", "DNS settings"},
		{"Port number is empty in session properties.", "no port", remoteHostDocument},
		{"Unable to connect to specified port: dial tcp: refused", "cannot connect", "security group"},
		{"Plugin with name Port is not supported by this version of ssm agent, please update", "too old", "3.1.1374.0"},
		{"\n----------ERROR-------\nSetting up data channel with id x failed: y", "could not open its side: Setting up", "instance role"},
		{"\n----------ERROR-------\nEncountered error while initiating handshake. z", "handshake", "update"},
		{"something new", "the jump host says: something new", "connect again"},
		{"", "idle timeout", "connect again"},
	}
	for _, tt := range tests {
		err := &datachannel.ChannelClosedError{Output: tt.output}
		e := testPlace.startError(err)
		if !strings.HasPrefix(e.Error(), "starting SSM session on i-0123456789abcdef0: ") || !strings.Contains(e.Error(), tt.msg) ||
			!strings.Contains(e.Hint(), tt.hint) || e.SQLState() != "08001" || e.Detail() == "" {
			t.Errorf("output %q: %q, %s, hint %q; want …%q…, 08001, …%q…", tt.output, e, e.SQLState(), e.Hint(), tt.msg, tt.hint)
		}
		if strings.ContainsAny(e.Error(), "\n\x1b") || strings.Contains(e.Error(), "-----") {
			t.Errorf("output %q: message %q is not one clean line", tt.output, e)
		}
		if !errors.Is(e, err) {
			t.Errorf("output %q: cause is out of reach", tt.output)
		}
	}
}

func TestSessionEndsAreWorded(t *testing.T) {
	tests := []struct {
		err   error
		state string
		msg   string
		hint  string
	}{
		{&datachannel.ChannelClosedError{}, "57P01", "idle timeout", "Session Manager preferences"},
		{&datachannel.ChannelClosedError{Output: "the instance is stopping"}, "57P01", "jump host says: the instance is stopping", "connect again"},
		{datachannel.ErrPeerSilent, "08006", "stopped answering", "jump host is running"},
		{datachannel.ErrGap, "08006", "lost", "connect again"},
		{datachannel.ErrHandshakeTimeout, "08006", "handshake", "instance role"},
		{&datachannel.HandshakeError{Reason: "session type Standard_Stream"}, "08006", "Standard_Stream", remoteHostDocument},
		{errSessionOver, "57P01", "idle timeout", "Session Manager preferences"},
		{mux.ErrProtocol, "08006", "smux", "connect again"},
		{testPlace.refusedDial(nil), "08001", "cannot connect to db.internal:5432", "security group"},
	}
	for _, tt := range tests {
		e := testPlace.sessionError(tt.err)
		if e.SQLState() != tt.state || !strings.Contains(e.Error(), tt.msg) || !strings.Contains(e.Hint(), tt.hint) {
			t.Errorf("%v: %q, %s, hint %q; want …%q…, %s, …%q…", tt.err, e, e.SQLState(), e.Hint(), tt.msg, tt.state, tt.hint)
		}
	}
}

func TestForeignTextIsBounded(t *testing.T) {
	got := clean(strings.Repeat("é\x00\u202e ", 10*maxForeign))
	if n := len([]rune(got)); n > maxForeign+1 || strings.ContainsAny(got, "\x00\u202e") {
		t.Errorf("%d runes, want at most %d and no control characters: %q", n, maxForeign+1, got)
	}
}
