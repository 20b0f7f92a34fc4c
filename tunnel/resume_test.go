package tunnel

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// switchedKeys are credentials that can be missing for a while.
type switchedKeys struct {
	missing atomic.Bool
	asked   atomic.Int64 // times while missing
}

func (k *switchedKeys) Retrieve(context.Context) (aws.Credentials, error) {
	if k.missing.Load() {
		k.asked.Add(1)
		return aws.Credentials{}, errors.New("SSO session has expired or is invalid")
	}
	return testKeys, nil
}

// oneSession keeps spare sessions out of a test's counts.
func oneSession(c *Config) { c.Sessions = 1 }

func TestCutSocketIsResumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logBuffer
		f := newFakeAWS(t)
		f.cutEvery = 1200
		d := newTestDialer(t, f, func(c *Config) { c.Log = newLog(&log) })
		echo(t, dial(t, d), 2_500_000)
		if _, resumes, _ := f.calls(); resumes < 3 {
			t.Errorf("%d ResumeSession, want some for 5000 messages with a cut every %d", resumes, f.cutEvery)
		}
		synctest.Wait()
		text := log.String()
		for _, want := range []string{"ssm session started", "ssm session resumed", "me@example.com-"} {
			if !strings.Contains(text, want) {
				t.Errorf("log has no %q:\n%s", want, text)
			}
		}
		for _, secret := range []string{"tok-", "cell-number", "Signature", testKeys.SecretAccessKey, testKeys.SessionToken} {
			if strings.Contains(text, secret) {
				t.Errorf("log has %q:\n%s", secret, text)
			}
		}
	})
}

func TestHourlyCloseIsResumedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeAWS(t)
		d := newTestDialer(t, f, oneSession)
		c := dial(t, d)
		for hour := range 3 {
			time.Sleep(time.Hour)
			f.agent(1).bye()
			start := time.Now()
			echo(t, c, 1000)
			if took := time.Since(start); took > time.Second {
				t.Errorf("hour %d: resumed after %v, want at once", hour+1, took)
			}
		}
		wantCalls(t, f, 1, 3, 0)
	})
}

func TestSocketInFullUseIsReplacedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeAWS(t)
		d := newTestDialer(t, f, oneSession)
		c := dial(t, d)
		for cut := range 10 {
			echo(t, c, 2*messagesOfInUse*1024)
			time.Sleep(settledInUse)
			f.net.cut()
			start := time.Now()
			echo(t, c, 100)
			if took := time.Since(start); took > 50*time.Millisecond {
				t.Errorf("cut %d: resumed after %v, want at once", cut, took)
			}
		}
		wantCalls(t, f, 1, 10, 0)
	})
}

func TestSessionThatCannotBeResumedIsReplaced(t *testing.T) {
	tests := map[string]func(f *fakeAWS){
		"empty token":    func(f *fakeAWS) { f.noToken = true },
		"does not exist": func(f *fakeAWS) { f.onResume = func(int) error { return apiCode("DoesNotExistException") } },
	}
	for name, arrange := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeAWS(t)
				arrange(f)
				d := newTestDialer(t, f, nil)
				c := dial(t, d)
				echo(t, c, 100)
				f.net.cut()
				_, err := c.Read(make([]byte, 1))
				wantError(t, err, "57P01", "the service has ended it")
				echo(t, dial(t, d), 100)
				wantCalls(t, f, 2, 1, 0)
				f.agent(1).end("") // as the service has
			})
		})
	}
}

func TestResumeIsTriedThroughTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeAWS(t)
		trouble := []error{apiCode("InternalServerError"), apiCode("ThrottlingException"), &net.OpError{Op: "dial", Err: io.ErrUnexpectedEOF}}
		f.onResume = func(n int) error {
			if n <= 30 {
				return trouble[n%len(trouble)]
			}
			return nil
		}
		f.refuse = func(n int) int {
			if n == 2 || n == 3 {
				return 503
			}
			return 0
		}
		d := newTestDialer(t, f, oneSession)
		c := dial(t, d)
		f.net.cut()
		start := time.Now()
		echo(t, c, 1000)
		// 32 pauses: 0.2 s doubling to 5 s, each between half and all of it.
		if took := time.Since(start); took < 65*time.Second || took > 160*time.Second {
			t.Errorf("resumed after %v, want between 65s and 160s", took)
		}
		wantCalls(t, f, 1, 33, 0)
	})
}

func TestResumeWaitsForCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logBuffer
		var keys switchedKeys
		f := newFakeAWS(t)
		d := newTestDialer(t, f, func(c *Config) {
			c.Log, c.Credentials, c.Profile, c.Sessions = newLog(&log), &keys, "dev", 1
		})
		c := dial(t, d)
		keys.missing.Store(true)
		f.net.cut()
		time.Sleep(10 * time.Minute)
		keys.missing.Store(false)
		echo(t, c, 1000)
		if n := keys.asked.Load(); n < 15 || n > 41 {
			t.Errorf("credentials asked for %d times in 10 minutes, want once per 15 to 30 s", n)
		}
		synctest.Wait()
		warned := 0
		for line := range strings.Lines(log.String()) {
			if strings.Contains(line, "level=WARN") && strings.Contains(line, "not resumed yet") {
				warned++
				if !strings.Contains(line, "aws sso login --profile dev") {
					t.Errorf("warning without the login command: %s", line)
				}
			}
		}
		if warned != 1 {
			t.Errorf("%d warnings, want 1:\n%s", warned, log.String())
		}
		wantCalls(t, f, 1, 1, 0)
	})
}

func TestResumeIsGivenUp(t *testing.T) {
	denied := &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "no"}
	exported := causes.EnvironmentKeys.New(causes.Facts{"from": "in the environment", "what": "they have expired"}, errors.New("ExpiredTokenException"))
	tests := []struct {
		name       string
		resume     func(n int) error
		refuse     int
		state      string
		words      string
		soon, late time.Duration
	}{
		{"after its patience", func(int) error { return apiCode("InternalServerError") }, 0, "08006", "given up after 15m", resumePatience, resumePatience + 10*time.Second},
		{"without credentials", func(int) error { return ownWords{} }, 0, "28000", "given up after 15m", resumePatience, resumePatience + credentialsDelay},
		{"with exported keys that have ended", func(int) error { return exported }, 0, "28000", "in the environment: they have expired", 0, 0},
		{"when access is denied", func(int) error { return denied }, 0, "08006", "access denied", 0, 0},
		{"when upgrades are refused", nil, 403, "08006", "403", 0, 10 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeAWS(t)
				f.onResume = tt.resume
				f.refuse = func(n int) int {
					if n == 1 {
						return 0
					}
					return tt.refuse
				}
				d := newTestDialer(t, f, nil)
				c := dial(t, d)
				f.net.cut()
				start := time.Now()
				_, err := c.Read(make([]byte, 1))
				wantError(t, err, tt.state, tt.words)
				if took := time.Since(start); took < tt.soon || took > tt.late {
					t.Errorf("given up after %v, want between %v and %v", took, tt.soon, tt.late)
				}
				synctest.Wait()
				if _, _, terminates := f.calls(); terminates != 1 {
					t.Errorf("%d TerminateSession, want 1", terminates)
				}
			})
		})
	}
}

// Websockets that open and break before the agent has spoken are an outage as any
// other: it is outlived for as long as is promised, and then ends the session.
func TestOutageWithWebsocketsThatBreak(t *testing.T) {
	tests := []struct {
		name   string
		outage time.Duration
		lasts  time.Duration // of a websocket, on which nothing passes
	}{
		{"at once, for a while", 2 * time.Minute, 0},
		{"at once, for long", resumePatience - 30*time.Second, 0},
		{"at once, for ever", 2 * resumePatience, 0},
		{"for want of a pong, for long", resumePatience - 30*time.Second, time.Minute},
		{"for want of a pong, for ever", 2 * resumePatience, time.Minute},
	}
	for _, tt := range tests {
		outage := tt.outage
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log logBuffer
				f := newFakeAWS(t)
				var until time.Time
				f.onOpen = func(int, *fakeAgent) bool {
					works := !time.Now().Before(until)
					if !works {
						time.Sleep(tt.lasts)
					}
					return works
				}
				d := newTestDialer(t, f, func(c *Config) { c.Log, c.Sessions = newLog(&log), 1 })
				c := dial(t, d)
				echo(t, c, 100)
				until = time.Now().Add(outage)
				f.net.cut()
				start := time.Now()
				if outage < resumePatience {
					echo(t, c, 100)
				} else {
					_, err := c.Read(make([]byte, 1))
					wantError(t, err, "08006", "stopped answering")
				}
				took, want := time.Since(start), min(outage, resumePatience)
				if took < want || took > want+longestTry {
					t.Errorf("over after %v, want %v", took, want)
				}
				if _, resumes, _ := f.calls(); resumes < 10 || resumes > 250 {
					t.Errorf("%d ResumeSession in %v", resumes, took)
				}
				time.Sleep(tt.lasts) // of the last one's far end
				synctest.Wait()
				lines := 0
				for line := range strings.Lines(log.String()) {
					if !strings.Contains(line, "level=DEBUG") {
						lines++
					}
				}
				if lines > 5 {
					t.Errorf("%d lines:\n%s", lines, log.String())
				}
			})
		})
	}
}

// longestTry is the data channel's longest pause, the line's, and the time in which
// a dead websocket is found out.
const longestTry = 5*time.Second + resumeMaxDelay + quietAfter + pulseEvery + deadAfter

func TestPresignedSessionIsNotResumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeAWS(t)
		f.query = "&X-Amz-Signature=00"
		d := newTestDialer(t, f, nil)
		c := dial(t, d)
		echo(t, c, 100)
		f.net.cut()
		_, err := c.Read(make([]byte, 1))
		wantError(t, err, "08006", "presigned")
		synctest.Wait()
		wantCalls(t, f, 1, 0, 1)
	})
}

func TestServiceThatDropsSocketsIsNotHammered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeAWS(t)
		f.onOpen = func(n int, a *fakeAgent) bool {
			if n > 1 && n <= 12 { // says something, then drops
				a.mu.Lock()
				a.write(encode("start_publication", 0, 0, 0, []byte("{}")))
				a.mu.Unlock()
				return false
			}
			return true
		}
		d := newTestDialer(t, f, oneSession)
		c := dial(t, d)
		f.net.cut()
		start := time.Now()
		echo(t, c, 100)
		if took := time.Since(start); took < 10*time.Second {
			t.Errorf("11 dropped sockets in %v, want back-off between them", took)
		}
	})
}

func TestCloseDuringAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeAWS(t)
		f.onResume = func(int) error { return apiCode("InternalServerError") }
		d := newTestDialer(t, f, nil)
		dial(t, d)
		f.net.cut()
		time.Sleep(time.Minute)
		start := time.Now()
		if err := d.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took > flagTimeout {
			t.Errorf("Close took %v, want at most %v", took, flagTimeout)
		}
		if _, _, terminates := f.calls(); terminates != 1 {
			t.Errorf("%d TerminateSession, want 1", terminates)
		}
	})
}
