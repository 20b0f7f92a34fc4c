package tunnel

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/iampolicy"
	"github.com/pgkeyless/pgkeyless/tunnel/mux"
)

const dbAddress = "db.internal:5432"

// newTestDialer is a Dialer on f; change may alter its Config.
func newTestDialer(t *testing.T, f *fakeAWS, change func(*Config)) *Dialer {
	t.Helper()
	cfg := Config{
		API:              f,
		Credentials:      staticKeys(),
		Region:           "eu-west-1",
		Target:           "i-0abc",
		EndpointOverride: "http://127.0.0.1:9",
		HTTPClient:       f.net.client(),
	}
	if change != nil {
		change(&cfg)
	}
	d, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
		if open := f.open(); len(open) > 0 {
			t.Errorf("sessions left open: %v", open)
		}
	})
	return d
}

func dial(t *testing.T, d *Dialer) net.Conn {
	t.Helper()
	c, err := d.DialContext(t.Context(), "tcp", dbAddress)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// echo sends n random bytes through c and expects them back.
func echo(t *testing.T, c net.Conn, n int) {
	t.Helper()
	want := make([]byte, n)
	rand.Read(want)
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := c.Write(want); err != nil {
			t.Errorf("write: %v", err)
		}
	})
	got := make([]byte, n)
	if _, err := io.ReadFull(c, got); err != nil {
		t.Errorf("read: %v", err)
		c.Close() // wakes the writer
	}
	wg.Wait()
	if !bytes.Equal(got, want) {
		t.Error("echo came back changed")
	}
}

// wantError checks that err is a *causes.Error with this code, and words in it.
// TestStartWaitsForCredentials has a person who needs longer for a code than
// everything else may take.
func TestStartWaitsForCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const longer = 2 * startTimeout
		given := time.Now().Add(longer)
		d := newTestDialer(t, newFakeAWS(t), func(c *Config) {
			c.Credentials = aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
				if err := sleep(ctx, time.Until(given)); err != nil {
					return aws.Credentials{}, err
				}
				return staticKeys().Retrieve(ctx)
			})
		})
		ctx, cancel := context.WithTimeout(t.Context(), 2*longer)
		defer cancel()
		c, err := d.DialContext(ctx, "tcp", dbAddress)
		if err != nil {
			t.Fatalf("after %v: %v", time.Since(given.Add(-longer)), err)
		}
		c.Close()
	})
}

// TestImpatientClientHearsOfTheCredentials leaves while the start waits for them:
// they know best for what.
func TestImpatientClientHearsOfTheCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answered := make(chan struct{})
		d := newTestDialer(t, newFakeAWS(t), func(c *Config) {
			c.Credentials = aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
				select {
				case <-answered:
					return staticKeys().Retrieve(ctx)
				case <-ctx.Done():
					return aws.Credentials{}, ownWords{ctx.Err()}
				}
			})
		})
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		_, err := d.DialContext(ctx, "tcp", dbAddress)
		wantError(t, err, "28000", "starting SSM session on i-0abc: SSO session of dev expired")
		close(answered) // the start went on
		dial(t, d)
	})
}

func wantError(t *testing.T, err error, state, words string) *causes.Error {
	t.Helper()
	var e *causes.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v (%T), want a *causes.Error", err, err)
	}
	if e.SQLState() != state || !strings.Contains(e.Error(), words) || e.Hint() == "" || e.Detail() == "" {
		t.Fatalf("error %q, %s, detail %q, hint %q; want …%q… and %s", e, e.SQLState(), e.Detail(), e.Hint(), words, state)
	}
	return e
}

func wantCalls(t *testing.T, f *fakeAWS, starts, resumes, terminates int) {
	t.Helper()
	if s, r, e := f.calls(); s != starts || r != resumes || e != terminates {
		t.Errorf("%d StartSession, %d ResumeSession, %d TerminateSession, want %d, %d, %d", s, r, e, starts, resumes, terminates)
	}
}

func TestConcurrentDialsShareOneSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeAWS(t)
		f.onStart = func(context.Context, int) error { time.Sleep(time.Second); return nil }
		d := newTestDialer(t, f, oneSession)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				c, err := d.DialContext(t.Context(), "tcp", "DB.internal:5432")
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
				echo(t, c, 5000)
			})
		}
		wg.Wait()
		wantCalls(t, f, 1, 0, 0)
		in := f.inputs[0]
		want := map[string][]string{"host": {"db.internal"}, "portNumber": {"5432"}, "localPortNumber": {"0"}}
		if in.Target != "i-0abc" || in.DocumentName != iampolicy.RemoteHostDocument || in.Reason != "pgkeyless" || !reflect.DeepEqual(in.Parameters, want) {
			t.Errorf("StartSession with %s, %s, %s, %v", in.Target, in.DocumentName, in.Reason, in.Parameters)
		}
	})
}

func TestEachAddressHasItsSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeAWS(t)
		d := newTestDialer(t, f, nil)
		for _, address := range []string{"a:5432", "a:5433", "b:5432", "a:5432"} {
			c, err := d.DialContext(t.Context(), "tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			echo(t, c, 10)
			c.Close()
		}
		wantCalls(t, f, 3, 0, 0)
	})
}

func TestDialRefusesWhatIsNoAddress(t *testing.T) {
	f := newFakeAWS(t)
	d := newTestDialer(t, f, nil)
	for _, tt := range [][2]string{{"tcp", "db"}, {"tcp", ":5432"}, {"tcp", "db:0"}, {"tcp", "db:postgres"}, {"tcp", "db:70000"}, {"udp", "db:5432"}} {
		_, err := d.DialContext(t.Context(), tt[0], tt[1])
		wantError(t, err, "08001", tt[1])
	}
	wantCalls(t, f, 0, 0, 0)
}

func TestNewChecksItsConfig(t *testing.T) {
	good := Config{API: &fakeAWS{}, Credentials: staticKeys(), Region: "eu-west-1", Target: "i-0abc"}
	for name, spoil := range map[string]func(*Config){
		"no API":         func(c *Config) { c.API = nil },
		"no credentials": func(c *Config) { c.Credentials = nil },
		"no region":      func(c *Config) { c.Region = "" },
		"no target":      func(c *Config) { c.Target = "" },
		"bad override":   func(c *Config) { c.EndpointOverride = "127.0.0.1" },
	} {
		cfg := good
		spoil(&cfg)
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: New gave no error", name)
		}
	}
	if _, err := New(good); err != nil {
		t.Errorf("good config: %v", err)
	}
}

func TestCallerMayLeaveWhileOthersWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeAWS(t)
		f.onStart = func(ctx context.Context, _ int) error {
			select {
			case <-time.After(5 * time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		d := newTestDialer(t, f, oneSession)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			start := time.Now()
			_, err := d.DialContext(ctx, "tcp", dbAddress)
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
				t.Errorf("got %v after %v, want %v after 1s", err, time.Since(start), context.DeadlineExceeded)
			}
			wantError(t, err, "57P03", "not ready")
		})
		synctest.Wait()
		c := dial(t, d)
		echo(t, c, 100)
		wg.Wait()
		wantCalls(t, f, 1, 0, 0)
	})
}

func TestFailedStartIsNotRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeAWS(t)
		f.onStart = func(_ context.Context, n int) error {
			if n == 1 {
				return apiCode("TargetNotConnected")
			}
			return nil
		}
		d := newTestDialer(t, f, nil)
		_, err := d.DialContext(t.Context(), "tcp", dbAddress)
		wantError(t, err, "08001", "not connected")
		wantCalls(t, f, 1, 0, 0)
		echo(t, dial(t, d), 100)
		wantCalls(t, f, 2, 0, 0)
	})
}

func TestThrottledStartIsTriedAgain(t *testing.T) {
	for name, failures := range map[string]int{"comes through": startTries - 1, "does not": startTries} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeAWS(t)
				f.onStart = func(_ context.Context, n int) error {
					if n <= failures {
						return apiCode("ThrottlingException")
					}
					return nil
				}
				d := newTestDialer(t, f, nil)
				_, err := d.DialContext(t.Context(), "tcp", dbAddress)
				if failures < startTries {
					if err != nil {
						t.Error(err)
					}
				} else {
					wantError(t, err, "08001", "too many Systems Manager calls")
				}
				wantCalls(t, f, startTries, 0, 0)
			})
		})
	}
}

func TestStartNeedsCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeAWS(t)
		d := newTestDialer(t, f, func(c *Config) {
			c.Profile = "dev"
			c.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{}, errors.New("SSO session has expired or is invalid")
			})
		})
		_, err := d.DialContext(t.Context(), "tcp", dbAddress)
		e := wantError(t, err, "28000", "SSO session has expired")
		if !strings.Contains(e.Hint(), "aws sso login --profile dev") {
			t.Errorf("hint %q, want the login command", e.Hint())
		}
		wantCalls(t, f, 0, 0, 0)
	})
}

func TestRefusedUpgradeFailsTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeAWS(t)
		f.refuse = func(int) int { return 403 }
		d := newTestDialer(t, f, nil)
		_, err := d.DialContext(t.Context(), "tcp", dbAddress)
		e := wantError(t, err, "08001", "403")
		if !strings.Contains(e.Hint(), "ssmmessages:OpenDataChannel") {
			t.Errorf("hint %q, want the missing action", e.Hint())
		}
		wantCalls(t, f, 1, 0, 1)
	})
}

func TestAgentRefusalFailsTheDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeAWS(t)
		f.output = "lookup db.internal on 10.0.0.2:53: no such host"
		d := newTestDialer(t, f, nil)
		_, err := d.DialContext(t.Context(), "tcp", dbAddress)
		wantError(t, err, "08001", "cannot resolve")
		wantCalls(t, f, 1, 0, 0)
	})
}

func TestRefusedDatabaseConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeAWS(t)
		f.noTarget = true
		d := newTestDialer(t, f, nil)
		c := dial(t, d)
		defer c.Close()
		_, err := c.Read(make([]byte, 1))
		e := wantError(t, err, "08001", "i-0abc cannot connect to "+dbAddress)
		if !strings.Contains(e.Hint(), "security group") {
			t.Errorf("hint %q, want the security group named", e.Hint())
		}
		_, err = c.Write([]byte("x"))
		wantError(t, err, "08001", "cannot connect")
	})
}

func TestEndedSessionIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeAWS(t)
		d := newTestDialer(t, f, nil)
		first := dial(t, d)
		echo(t, first, 100)
		f.agent(1).end("")
		_, err := first.Read(make([]byte, 1))
		wantError(t, err, "57P01", "idle timeout")
		echo(t, dial(t, d), 100)
		wantCalls(t, f, 2, 0, 0)
	})
}

func TestCloseEndsSessionsByFlag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeAWS(t)
		d := newTestDialer(t, f, nil)
		c := dial(t, d)
		echo(t, c, 100)
		if err := d.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if !f.agent(1).wasFlagged() {
			t.Error("the agent got no terminate flag")
		}
		wantCalls(t, f, 1, 0, 0)
		_, err := c.Read(make([]byte, 1))
		if wantError(t, err, "57P01", "closed"); !errors.Is(err, ErrClosed) {
			t.Errorf("read after Close: %v, want %v within", err, ErrClosed)
		}
		_, err = d.DialContext(t.Context(), "tcp", dbAddress)
		if wantError(t, err, "57P01", "closed"); !errors.Is(err, ErrClosed) {
			t.Errorf("dial after Close: %v, want %v within", err, ErrClosed)
		}
	})
}

func TestCloseAsksTheAPIWhenTheAgentIsSilent(t *testing.T) {
	for name, patience := range map[string]time.Duration{"with time": time.Minute, "in haste": 0} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeAWS(t)
				d := newTestDialer(t, f, nil)
				dial(t, d)
				f.agent(1).setDeaf()
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				start := time.Now()
				if err := d.Close(ctx); err != nil {
					t.Error(err)
				}
				if took, want := time.Since(start), min(patience, flagTimeout); took != want {
					t.Errorf("Close took %v, want %v", took, want)
				}
				wantCalls(t, f, 1, 0, 1)
			})
		})
	}
}

func TestCloseTerminatesASessionBeingStarted(t *testing.T) {
	tests := map[string]func(f *fakeAWS){
		"in StartSession": func(f *fakeAWS) {
			f.onStart = func(ctx context.Context, _ int) error { // answers late, unless given up
				select {
				case <-time.After(1500 * time.Millisecond):
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		},
		"in the handshake": func(f *fakeAWS) { f.mute = func(int) bool { return true } },
	}
	for name, arrange := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeAWS(t)
				arrange(f)
				d := newTestDialer(t, f, nil)
				var wg sync.WaitGroup
				wg.Go(func() {
					_, err := d.DialContext(t.Context(), "tcp", dbAddress)
					if wantError(t, err, "57P01", "closed"); !errors.Is(err, ErrClosed) {
						t.Errorf("dial: %v, want %v within", err, ErrClosed)
					}
				})
				time.Sleep(time.Second)
				if err := d.Close(t.Context()); err != nil {
					t.Error(err)
				}
				wg.Wait()
				wantCalls(t, f, 1, 0, 1)
			})
		})
	}
}

func TestStartIsBoundedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeAWS(t)
		f.onStart = func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() }
		d := newTestDialer(t, f, nil)
		start := time.Now()
		_, err := d.DialContext(t.Context(), "tcp", dbAddress)
		wantError(t, err, "08001", "in time")
		if took := time.Since(start); took > startCallTimeout+flagTimeout {
			t.Errorf("took %v, want at most %v", took, startCallTimeout+flagTimeout)
		}
		wantCalls(t, f, 1, 0, 0)
	})
}

func TestCloseTellsOfASessionItCouldNotEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeAWS(t)
		f.onEnd = func() error { return apiCode("InternalServerError") }
		d := newTestDialer(t, f, nil)
		dial(t, d)
		f.agent(1).setDeaf()
		err := d.Close(t.Context())
		wantError(t, err, "08001", "terminating SSM session me@example.com-")
		f.agent(1).end("")
	})
}

func TestExpectedDialsFindASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeAWS(t)
		d := newTestDialer(t, f, oneSession)
		d.Expect(t.Context(), dbAddress, 1)
		d.Expect(t.Context(), dbAddress, 500)
		d.Expect(t.Context(), "no address", 1)
		synctest.Wait()
		wantCalls(t, f, 1, 0, 0)
		began := time.Now()
		c := dial(t, d)
		if took := time.Since(began); took != 0 {
			t.Errorf("the dial waited for %v", took)
		}
		way := c.(*stream)
		if way.Retired() || way.Busy() {
			t.Errorf("a fresh session: retired %v, busy %v", way.Retired(), way.Busy())
		}
		d.mu.Lock()
		d.retire(way.session, "a test")
		d.mu.Unlock()
		if !way.Retired() {
			t.Error("a retired session does not say so")
		}
	})
}

func TestTooManyWaitingStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeAWS(t)
		d := newTestDialer(t, f, oneSession)
		dial(t, d)
		f.agent(1).setDeaf()
		var err error
		for n := 0; err == nil && n < 1000; n++ {
			_, err = d.DialContext(t.Context(), "tcp", dbAddress)
		}
		wantError(t, err, "53300", "too many connections wait")
		wantCalls(t, f, 1, 0, 0)
	})
}

func TestStreamErrorsKeepTheirMeaning(t *testing.T) {
	s := &stream{place: testPlace} // words only
	for _, plain := range []error{io.EOF, net.ErrClosed, os.ErrDeadlineExceeded, mux.ErrPeerClosed} {
		if got := s.word(plain); got != plain {
			t.Errorf("%v became %v", plain, got)
		}
	}
	wantError(t, s.word(mux.ErrStreamOverflow), "08006", "does not read")
	wantError(t, s.word(mux.ErrConnect), "08001", "cannot connect")
	ended := testPlace.sessionError(errSessionOver)
	if got := s.word(fmt.Errorf("%w: %w", mux.ErrClosed, ended)); got != error(ended) {
		t.Errorf("end of session became %v, want %v", got, ended)
	}
}

var _ API = SSM{}
