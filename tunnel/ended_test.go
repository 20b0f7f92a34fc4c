package tunnel

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/iampolicy"
	"github.com/pgkeyless/pgkeyless/tunnel/datachannel"
	"github.com/pgkeyless/pgkeyless/tunnel/mux"
)

func TestAgentRefusals(t *testing.T) {
	tests := []struct{ output, msg, hint string }{
		{"Forwarding to IP address 169.254.169.254 is forbidden.", "must not forward", "reserved addresses"},
		{"lookup db.internal on 10.0.0.2:53: no such host", "cannot resolve", "typing errors"},
		{"lookup db.internal: i/o timeout", "cannot resolve", "DNS settings"},
		{"Port number is empty in session properties.", "pass portNumber", iampolicy.RemoteHostDocument},
		{"Unable to connect to specified port: dial tcp: refused", "cannot connect", "security group"},
		{"Plugin with name Port is not supported by this version of ssm agent, please update", "too old", "3.1.1374.0"},
		{"\n----------ERROR-------\nSetting up data channel with id x failed: y", "could not open its side: Setting up", "instance role"},
		{"\n----------ERROR-------\nEncountered error while initiating handshake. z", "handshake", "update"},
		{"something new", "the jump host says: something new", "reconnect"},
		{"", "idle timeout", "reconnect"},
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
		{&datachannel.ChannelClosedError{Output: "the instance is stopping"}, "57P01", "jump host says: the instance is stopping", "reconnect"},
		{datachannel.ErrPeerSilent, "08006", "stopped answering", "jump host is running"},
		{datachannel.ErrGap, "08006", "lost", "reconnect"},
		{datachannel.ErrHandshakeTimeout, "08006", "handshake", "instance role"},
		{&datachannel.HandshakeError{Reason: "session type Standard_Stream"}, "08006", "Standard_Stream", iampolicy.RemoteHostDocument},
		{errSessionOver, "57P01", "idle timeout", "Session Manager preferences"},
		{mux.ErrProtocol, "08006", "smux", "reconnect"},
		{causes.DatabaseRefuses.New(testPlace.facts(), nil), "08001", "cannot connect to db.internal:5432", "security group"},
	}
	for _, tt := range tests {
		e := testPlace.sessionError(tt.err)
		if e.SQLState() != tt.state || !strings.Contains(e.Error(), tt.msg) || !strings.Contains(e.Hint(), tt.hint) {
			t.Errorf("%v: %q, %s, hint %q; want …%q…, %s, …%q…", tt.err, e, e.SQLState(), e.Hint(), tt.msg, tt.state, tt.hint)
		}
	}
}

// Who leaves while a session starts hears of that, whatever ended the wait has to
// say of itself.
func TestLeavingHasItsOwnWords(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(ownWords{})
	err := testPlace.stillStarting(ctx)
	if e := wantError(t, err, "57P03", "not ready"); !errors.Is(err, causes.StillStarting) || e.Cause() != causes.StillStarting.Name ||
		!strings.Contains(e.Hint(), "--login-timeout") || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, cause %s, hint %q; want those of %s", err, e.Cause(), e.Hint(), causes.StillStarting.Name)
	}
}

// What keeps a session from being resumed has cost its clients a connection; the
// credentials' own code says more.
func TestResumeFailuresAreLostConnections(t *testing.T) {
	p := testPlace
	p.carried = true
	proxy := &url.Error{Op: "Get", URL: "https://ssm", Err: fmt.Errorf("CONNECT: %w", noneOnline{})}
	tests := []struct {
		err   *causes.Error
		cause causes.Cause
		state string
		words string
	}{
		{p.apiError("resuming", "ssm:ResumeSession", generic("BrandNew", "news")), causes.SessionManagerOther, "08006", "resuming: BrandNew: news"},
		{p.apiError("resuming", "ssm:ResumeSession", context.DeadlineExceeded), causes.NoAnswer, "08006", "resuming: no answer from"},
		{p.apiError("resuming", "ssm:ResumeSession", proxy), causes.SessionManagerOther, "08006", "resuming: none is online"},
		{p.apiError("resuming", "ssm:ResumeSession", ownWords{}), causes.SessionManagerOther, "28000", "resuming: SSO session of dev expired"},
		{p.dialError("resuming", &upgradeError{Status: 403}), causes.ChannelDenied, "08006", "refused with 403 Forbidden"},
		{p.dialError("resuming", &urlError{Reason: "not a URL"}), causes.StreamURLRefused, "08006", "not a URL"},
	}
	for _, tt := range tests {
		for _, err := range []*causes.Error{tt.err, gaveUp(resumePatience, tt.err)} {
			wantError(t, err, tt.state, tt.words)
			if err.Cause() != tt.cause.Name || !errors.Is(err, tt.cause) {
				t.Errorf("%v: cause %s, want %s", err, err.Cause(), tt.cause.Name)
			}
		}
	}
	if got := gaveUp(resumePatience, tests[0].err).Error(); got != "resuming: BrandNew: news (given up after 15m0s)" {
		t.Errorf("got %q", got)
	}
}
