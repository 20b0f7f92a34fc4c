package tunnel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/smithy-go"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/tunnel/datachannel"
)

// lister is a list of jump hosts that counts how often it is asked.
type lister struct {
	hosts []string
	err   error
	asked int
}

func (l *lister) list(context.Context) ([]string, error) {
	l.asked++
	return l.hosts, l.err
}

func TestHostsTakeTurnsAndThoseThatRefusedComeLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lister{hosts: []string{"a", "b", "c"}}
		h := &hosts{list: l.list}
		choose := func(want string) {
			t.Helper()
			got, err := h.choose(t.Context())
			if s := strings.Join(got, " "); s != want || err != nil {
				t.Errorf("got %q, %v; want %q", s, err, want)
			}
		}
		choose("a b c")
		choose("b c a")
		if l.asked != 1 {
			t.Errorf("asked %d times for two starts", l.asked)
		}
		if !h.outcome("c", apiCode("TargetNotConnected")) {
			t.Error("no other host is worth trying")
		}
		choose("a b c")
		if l.asked != 2 {
			t.Errorf("asked %d times after a refusal, want 2", l.asked)
		}
		time.Sleep(time.Second)
		h.outcome("b", datachannel.ErrHandshakeTimeout)
		choose("a c b") // b refused last
		h.outcome("c", nil)
		choose("c a b")
		time.Sleep(avoidFor)
		choose("c a b")
		l.hosts, l.err = nil, errors.New("throttled")
		time.Sleep(listedFor)
		choose("a b c") // the last list serves
	})
}

func TestHostsWithoutAny(t *testing.T) {
	h := &hosts{list: (&lister{err: errors.New("no network")}).list}
	if _, err := h.choose(t.Context()); err == nil || err.Error() != "no network" {
		t.Errorf("got %v", err)
	}
	h = &hosts{list: (&lister{}).list}
	if _, err := h.choose(t.Context()); err == nil {
		t.Error("no error for an empty list")
	}
}

func TestWhatAnotherHostMayDoBetter(t *testing.T) {
	for err, want := range map[error]bool{
		apiCode("TargetNotConnected"):                                                       true,
		&smithy.GenericAPIError{Code: "AccessDeniedException"}:                              true,
		datachannel.ErrHandshakeTimeout:                                                     true,
		&datachannel.ChannelClosedError{}:                                                   true,
		&smithy.GenericAPIError{Code: "InvalidDocument"}:                                    false,
		fmt.Errorf("starting: %w", ownWords{&smithy.GenericAPIError{Code: "AccessDenied"}}): false,
		&smithy.GenericAPIError{Code: "ThrottlingException"}:                                false,
		context.DeadlineExceeded:                                                            false,
		fmt.Errorf("dial tcp: %w", errors.New("no route to host")):                          false,
		fmt.Errorf("starting: %w", datachannel.ErrHandshakeTimeout):                         true,
	} {
		if got := hostsOwn(err); got != want {
			t.Errorf("%v: %v, want %v", err, got, want)
		}
	}
}

// targetsOf are the jump hosts that sessions were asked of, in order.
func (f *fakeAWS) targetsOf() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []string
	for _, in := range f.inputs {
		all = append(all, in.Target)
	}
	return strings.Join(all, " ")
}

func TestStartFailsOverToAnotherHost(t *testing.T) {
	refuse := func(n ...int) func(*fakeAWS) {
		return func(f *fakeAWS) {
			f.onStart = func(_ context.Context, call int) error {
				if slices.Contains(n, call) {
					return apiCode("TargetNotConnected")
				}
				return nil
			}
		}
	}
	tests := []struct {
		name    string
		arrange func(*fakeAWS)
		targets string
		host    string // that carries; "": none
		within  time.Duration
	}{
		{"the first takes it", func(*fakeAWS) {}, "i-1", "i-1", time.Second},
		{"the first is not connected", refuse(1), "i-1 i-2", "i-2", time.Second},
		{"two are not connected", refuse(1, 2), "i-1 i-2 i-3", "i-3", time.Second},
		{"none is", refuse(1, 2, 3), "i-1 i-2 i-3", "", time.Second},
		{"the first is silent", func(f *fakeAWS) { f.mute = func(n int) bool { return n == 1 } }, "i-1 i-2", "i-2", doubtAfter + time.Second},
		{"the document is missing", func(f *fakeAWS) {
			f.onStart = func(context.Context, int) error { return apiCode("InvalidDocument") }
		}, "i-1", "", time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeAWS(t)
				tt.arrange(f)
				l := &lister{hosts: []string{"i-1", "i-2", "i-3"}}
				d := newTestDialer(t, f, func(cfg *Config) { cfg.Target, cfg.Targets, cfg.Sessions = "tag:Role=jump", l.list, 1 })
				began := time.Now()
				c, err := d.DialContext(t.Context(), "tcp", dbAddress)
				if took := time.Since(began); took > tt.within {
					t.Errorf("took %v", took)
				}
				if got := f.targetsOf(); got != tt.targets {
					t.Errorf("sessions asked of %s, want %s", got, tt.targets)
				}
				if tt.host == "" {
					if err == nil || !errors.As(err, new(*causes.Error)) {
						t.Errorf("got %v, want an error", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				c.Close()
				if got := d.Snapshot()[0].JumpHost; got != tt.host {
					t.Errorf("session on %s, want %s", got, tt.host)
				}
			})
		})
	}
}

// noneOnline is an error with words of its own, as the list's are.
type noneOnline struct{}

func (noneOnline) Error() string    { return "none is online" }
func (noneOnline) SQLState() string { return "08001" }
func (noneOnline) Hint() string     { return "start one" }

func TestNoJumpHostIsExplainedInItsOwnWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newTestDialer(t, newFakeAWS(t), func(cfg *Config) {
			cfg.Target, cfg.Targets = "asg:jumps", (&lister{err: noneOnline{}}).list
		})
		_, err := d.DialContext(t.Context(), "tcp", dbAddress)
		e, ok := errors.AsType[*causes.Error](err)
		if !ok || e.Error() != "choosing a jump host: none is online" || e.Hint() != "start one" || !strings.Contains(e.Detail(), "asg:jumps") {
			t.Errorf("got %v, detail %q, hint %q", err, e.Detail(), e.Hint())
		}
	})
}
