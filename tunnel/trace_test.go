package tunnel

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/aws/smithy-go"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

func TestTraceTellsEachStageAndWhereAStartFailed(t *testing.T) {
	type step struct {
		stage  Stage
		failed bool
	}
	tests := []struct {
		name  string
		fault func(*fakeAWS)
		want  []step
	}{
		{"good", func(*fakeAWS) {}, []step{{StageSession, false}, {StageWebsocket, false}, {StageHandshake, false}}},
		{"no session", func(f *fakeAWS) {
			f.onStart = func(context.Context, int) error { return &smithy.GenericAPIError{Code: "TargetNotConnected"} }
		},
			[]step{{StageSession, true}}},
		{"no websocket", func(f *fakeAWS) { f.refuse = func(int) int { return 403 } },
			[]step{{StageSession, false}, {StageWebsocket, true}}},
		{"no handshake, then another session", func(f *fakeAWS) { f.mute = func(n int) bool { return n == 1 } },
			[]step{{StageSession, false}, {StageWebsocket, false},
				{StageSession, false}, {StageWebsocket, false}, {StageHandshake, false}}},
		{"no handshake at all", func(f *fakeAWS) { f.mute = func(int) bool { return true } },
			[]step{{StageSession, false}, {StageWebsocket, false},
				{StageSession, false}, {StageWebsocket, false}, {StageHandshake, true}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeAWS(t)
				test.fault(f)
				var mu sync.Mutex
				var got []step
				d := newTestDialer(t, f, func(cfg *Config) {
					cfg.Sessions = 1
					cfg.Trace = func(p Progress) {
						mu.Lock()
						defer mu.Unlock()
						got = append(got, step{p.Stage, p.Err != nil})
						if p.JumpHost != "i-0abc" || (p.Session == "") != (p.Stage == StageSession && p.Err != nil) ||
							(p.Agent != "") != (p.Stage == StageHandshake && p.Err == nil) {
							t.Errorf("progress %+v", p)
						}
					}
				})
				c, err := d.DialContext(t.Context(), "tcp", dbAddress)
				if err == nil {
					c.Close()
				}
				if failed := test.want[len(test.want)-1].failed; failed != (err != nil) || failed && !errors.As(err, new(*causes.Error)) {
					t.Errorf("dial: %v", err)
				}
				if !slices.Equal(got, test.want) {
					t.Errorf("told %v, want %v", got, test.want)
				}
			})
		})
	}
}
