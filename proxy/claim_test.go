package proxy

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// proofFunc is a Proof.
type proofFunc func(ctx context.Context, c *Claim) (string, error)

func (f proofFunc) Prove(ctx context.Context, c *Claim) (string, error) { return f(ctx, c) }

// saslInitial is a SASLInitialResponse.
func saslInitial(mechanism, response string) []byte {
	body := append([]byte(mechanism), 0)
	body = binary.BigEndian.AppendUint32(body, uint32(len(response)))
	return message('p', append(body, response...)...)
}

func TestProofGoesBeforeTheDatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *databaseConn) { c.logIn(); c.untilTerminate() }, func(cfg *Config) {
			cfg.Proof = proofFunc(func(_ context.Context, c *Claim) (string, error) {
				chosen, first, err := c.SASL("A-PLUS", "A")
				if err != nil || chosen != "A" || string(first) != "hello" || c.User != "app_user" || c.TLS != nil || c.Shown != nil {
					t.Errorf("chosen %q, first %q, %v; claim %+v", chosen, first, err, c)
				}
				second, err := c.Challenge([]byte("who?"))
				if err != nil || string(second) != "me" {
					t.Errorf("second %q, %v", second, err)
				}
				return "ada", c.Conclude([]byte("well"))
			})
		})
		c := r.dial()
		c.send(plainStartup)
		c.expect(authRequest(10, []byte("A-PLUS\x00A\x00\x00")...))
		if n := len(r.db.addresses); n != 0 {
			t.Errorf("the database was dialled %d times before the proof", n)
		}
		c.send(saslInitial("A", "hello"))
		c.expect(authRequest(11, []byte("who?")...))
		c.send(message('p', []byte("me")...))
		c.expect(join(authRequest(12, []byte("well")...), authRequest(0), keyData(7, []byte("key7")), readyForQuery))
		synctest.Wait()
		if got := r.server.Sessions(); len(got) != 1 || got[0].Identity != "ada" {
			t.Errorf("sessions %+v", got)
		}
		c.send(terminate)
		c.Close()
		time.Sleep(10 * time.Second)
		if !r.log.hasLine("session ended", "identity=ada") {
			t.Errorf("the log does not name who it was: %s", r.log.bytes())
		}
		r.stop()
	})
}

func TestWhoCannotProveReachesNobody(t *testing.T) {
	denied := causes.PasswordWrong.New(causes.Facts{"quoted user": `"app_user"`}, nil)
	ask := func(_ context.Context, c *Claim) (string, error) {
		_, _, err := c.SASL("A")
		if err == nil {
			err = denied
		}
		return "", err
	}
	for name, test := range map[string]struct {
		prove  proofFunc
		answer []byte
		state  string // "" for a client that leaves
	}{
		"wrong":                {ask, saslInitial("A", "x"), "28P01"},
		"no SQLSTATE":          {func(context.Context, *Claim) (string, error) { return "", errors.New("odd") }, nil, stateInternal},
		"another mechanism":    {ask, saslInitial("B", "x"), stateProtocolViolation},
		"a query instead":      {ask, message('Q', []byte("select 1\x00")...), stateProtocolViolation},
		"too long":             {ask, append([]byte{'p'}, binary.BigEndian.AppendUint32(nil, 1<<30)...), stateProtocolViolation},
		"too short":            {ask, append([]byte{'p'}, binary.BigEndian.AppendUint32(nil, 3)...), stateProtocolViolation},
		"a length that lies":   {ask, message('p', 'A', 0, 0, 0, 0, 9, 'x'), stateProtocolViolation},
		"no length":            {ask, message('p', 'A', 0, 0), stateProtocolViolation},
		"password without TLS": {func(_ context.Context, c *Claim) (string, error) { _, err := c.Password(); return "", err }, nil, stateInternal},
		"leaves":               {ask, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var refused []AuditEvent
				r := newRig(t, nil, func(cfg *Config) {
					cfg.Proof = test.prove
					cfg.Audit = func(e AuditEvent) error { refused = append(refused, e); return nil }
				})
				c := r.dial()
				c.send(plainStartup)
				if name != "no SQLSTATE" && name != "password without TLS" {
					c.expect(authRequest(10, 'A', 0, 0))
				}
				go c.Write(test.answer) // of which not all may be read
				if test.state != "" {
					if said := c.failed(); said['C'] != test.state || said['S'] != "FATAL" || strings.Contains(said['D'], `user ""`) {
						t.Errorf("the client got %q, want SQLSTATE %s", said, test.state)
					}
				}
				c.Close()
				time.Sleep(10 * time.Second)
				if n := len(r.db.addresses); n != 0 {
					t.Errorf("the database was dialled %d times", n)
				}
				if test.state != "" && (len(refused) != 1 || refused[0].Kind != AuditRefusal || refused[0].User != "app_user" || refused[0].Database != "app") {
					t.Errorf("the audit has %+v, want a refusal of the user app_user", refused)
				}
				got := r.server.Snapshot()
				if !got.only(t).FailingSince.IsZero() {
					t.Errorf("the route fails for it: %+v", got.only(t))
				}
				got.balanced(t)
				r.stop()
			})
		})
	}
}

// A password in clear text is asked for inside TLS alone, where the claim has what the
// client was shown.
func TestClaimInsideTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *databaseConn) { c.logIn(); c.untilTerminate() }, func(cfg *Config) {
			cfg.RequireTLS = true
			cfg.Proof = proofFunc(func(_ context.Context, c *Claim) (string, error) {
				if c.TLS == nil || c.Shown == nil {
					t.Errorf("claim %+v", c)
				}
				words, err := c.Password()
				if err != nil || words.Reveal() != "s3cret" {
					t.Errorf("password %q, %v", words.Reveal(), err)
				}
				return "", err
			})
		})
		c := r.dial()
		c.send(sslRequest)
		c.expect([]byte{'S'})
		c = c.secure(r.server)
		c.send(plainStartup)
		c.expect(authRequest(3))
		c.send(message('p', []byte("s3cret\x00")...))
		c.expect(join(authRequest(0), keyData(7, []byte("key7")), readyForQuery))
		c.send(terminate)
		c.Close()
		plain := r.dial()
		plain.send(plainStartup)
		if said := plain.failed(); said['C'] != "28000" || said['H'] == "" {
			t.Errorf("without TLS the client got %q", said)
		}
		plain.Close()
		time.Sleep(10 * time.Second)
		r.stop()
	})
}

func FuzzSASLInitialResponse(f *testing.F) {
	f.Add(saslInitial("A", "hello")[headLen:])
	f.Add(saslInitial("A-PLUS", "")[headLen:])
	f.Add([]byte("A\x00\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, body []byte) {
		chosen, response, err := initialResponse(body, []string{"A-PLUS", "A"})
		if err != nil {
			if chosen != "" || response != nil {
				t.Errorf("%q, %q with %v", chosen, response, err)
			}
			return
		}
		if chosen != "A" && chosen != "A-PLUS" || len(body) != len(chosen)+1+4+len(response) {
			t.Errorf("%q chooses %q with %q", body, chosen, response)
		}
	})
}
