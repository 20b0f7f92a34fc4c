package proxy

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/md5"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xdg-go/scram"
)

// ordinaryPassword is that of app_user in these tests; it must never be seen elsewhere.
const ordinaryPassword = "corréct horse, =battery"

// fakePasswords is a PasswordSource of app_user.
type fakePasswords struct {
	mu       sync.Mutex
	password string
	err      error
	renewed  string // what Renew finds; "" for the same
	denied   error  // of Renew, with kept's password
	kept     bool
	rotation *Rotation
	asked    int
	renewals []time.Time
	refused  []string
}

func (f *fakePasswords) Has(user string) bool { return user == "app_user" }

func (f *fakePasswords) Password(context.Context, string) (Password, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	return NewPassword(f.password), f.err
}

func (f *fakePasswords) Renew(_ context.Context, _ string, refused Password) (Password, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.renewals, f.refused = append(f.renewals, time.Now()), append(f.refused, refused.Reveal())
	if f.denied != nil && !f.kept {
		return Password{}, f.denied
	}
	if f.renewed != "" {
		f.password = f.renewed
	}
	return NewPassword(f.password), f.denied
}

func (f *fakePasswords) Rotation(string) *Rotation {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.rotation == nil {
		f.rotation = NewRotation()
	}
	return f.rotation
}

func (f *fakePasswords) setRenewed(password string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.renewed = password
}

// newPasswordRig is a rig whose app_user logs in with a password. stopQuiet must be called.
func newPasswordRig(t testing.TB, p *fakePasswords, session func(*databaseConn), change func(*Config)) *rig {
	t.Helper()
	return newRig(t, session, func(cfg *Config) {
		cfg.Routes[0].Passwords = p
		if change != nil {
			change(cfg)
		}
	})
}

// stopQuiet is stop, and looks for passwords in the log.
func (r *rig) stopQuiet() {
	r.t.Helper()
	r.stop()
	if bytes.Contains(r.log.bytes(), []byte("battery")) {
		r.t.Errorf("a password in the log: %s", r.log.bytes())
	}
}

// scramFake is a server's side of SCRAM-SHA-256, written from RFC 5802 and sharing nothing
// with what it checks. Its lie, when not nil, changes what it says at a step.
type scramFake struct {
	password   string
	offers     []string
	iterations int
	skipFinal  bool
	lie        func(step, text string) string

	mechanism, flag string // that the client chose
}

const (
	stepFirst = "first"
	stepFinal = "final"
)

func (s *scramFake) says(step, text string) []byte {
	if s.lie != nil {
		text = s.lie(step, text)
	}
	return []byte(text)
}

func sign(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// logIn goes up to AuthenticationOk, or ends with the refusal of a wrong password.
func (s *scramFake) logIn(c *databaseConn) bool {
	c.send(authRequest(10, []byte(strings.Join(s.offers, "\x00")+"\x00\x00")...))
	m, err := readMessage(c)
	if err != nil {
		return false // the client's side found nothing to take
	}
	mechanism, rest, _ := bytes.Cut(m[5:], []byte{0})
	s.mechanism = string(mechanism)
	if len(rest) < 4 || int(binary.BigEndian.Uint32(rest)) != len(rest)-4 {
		c.t.Errorf("SASLInitialResponse %q", m)
		return false
	}
	first := string(rest[4:])
	s.flag, _, _ = strings.Cut(first, ",")
	_, bare, ok := strings.Cut(first, ",,")
	_, nonce, _ := strings.Cut(bare, ",r=")
	if !ok || !strings.HasPrefix(bare, "n=,r=") || len(nonce) < 16 {
		c.t.Errorf("client-first-message %q", first)
		return false
	}
	nonce += "server's part"
	salt, iterations := []byte("salt of 16 bytes"), s.iterations
	if iterations == 0 {
		iterations = 4096
	}
	serverFirst := fmt.Sprintf("r=%s,s=%s,i=%d", nonce, base64.StdEncoding.EncodeToString(salt), iterations)
	c.Write(authRequest(11, s.says(stepFirst, serverFirst)...))
	if m, err = readMessage(c); err != nil {
		return false
	}
	final := string(m[5:])
	withoutProof, proof64, _ := strings.Cut(final, ",p=")
	binding := s.flag + ",,"
	if s.mechanism == "SCRAM-SHA-256-PLUS" {
		sum := sha256.Sum256(c.leaf())
		binding += string(sum[:])
	}
	if want := "c=" + base64.StdEncoding.EncodeToString([]byte(binding)) + ",r=" + nonce; withoutProof != want {
		c.t.Errorf("client-final-message %q, want %q", withoutProof, want)
	}
	salted, err := pbkdf2.Key(sha256.New, s.password, salt, iterations, sha256.Size)
	if err != nil {
		c.t.Error(err)
	}
	clientKey := sign(salted, "Client Key")
	stored := sha256.Sum256(clientKey)
	message := bare + "," + serverFirst + "," + withoutProof
	signature := sign(stored[:], message)
	proof, _ := base64.StdEncoding.DecodeString(proof64)
	right := len(proof) == len(signature)
	for i := range signature {
		right = right && proof[i]^signature[i] == clientKey[i]
	}
	if !right {
		c.send(errorPacket("SFATAL", "VFATAL", "C28P01", `Mpassword authentication failed for user "app_user"`))
		return false
	}
	if !s.skipFinal {
		c.Write(authRequest(12, s.says(stepFinal, "v="+base64.StdEncoding.EncodeToString(sign(sign(salted, "Server Key"), message)))...))
	}
	c.Write(authRequest(0))
	return true
}

// leaf is the certificate that the database shows.
func (c *databaseConn) leaf() []byte { return c.config.Certificates[0].Certificate[0] }

// Each way to ask for a password is answered by it, and the client hears of none.
func TestOrdinaryPasswordAnswersEveryMethod(t *testing.T) {
	inner := md5.Sum([]byte(ordinaryPassword + "app_user"))
	outer := md5.Sum(append([]byte(fmt.Sprintf("%x", inner)), "salt"...))
	scramBy := func(s *scramFake) func(*databaseConn) {
		s.password = ordinaryPassword
		return func(c *databaseConn) { s.logIn(c) }
	}
	plus, plain, both := &scramFake{offers: []string{"SCRAM-SHA-256-PLUS"}}, &scramFake{offers: []string{"SCRAM-SHA-256"}},
		&scramFake{offers: []string{"OAUTHBEARER", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"}, iterations: 1}
	for _, tt := range []struct {
		name, method string
		ask          func(*databaseConn)
		flag         *scramFake
		want         string
	}{
		{"clear text", "clear text", func(c *databaseConn) {
			c.send(authRequest(3))
			c.expect(message('p', []byte(ordinaryPassword+"\x00")...))
			c.send(authRequest(0))
		}, nil, ""},
		{"MD5", "MD5", func(c *databaseConn) {
			c.send(authRequest(5, []byte("salt")...))
			c.expect(message('p', []byte(fmt.Sprintf("md5%x\x00", outer))...))
			c.send(authRequest(0))
		}, nil, ""},
		{"SCRAM bound to the certificate", "SCRAM-SHA-256-PLUS", scramBy(plus), plus, "p=tls-server-end-point"},
		{"SCRAM, and the server cannot bind", "SCRAM-SHA-256", scramBy(plain), plain, "y"},
		{"the best of what is offered", "SCRAM-SHA-256-PLUS", scramBy(both), both, "p=tls-server-end-point"},
		{"nothing asked", "", func(c *databaseConn) { c.send(authRequest(0)) }, nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &fakePasswords{password: ordinaryPassword}
				var mu sync.Mutex
				var audited []AuditEvent
				r := newPasswordRig(t, p, func(c *databaseConn) {
					c.startup()
					tt.ask(c)
					c.send(readyForQuery)
					c.untilTerminate()
				}, func(cfg *Config) {
					cfg.Audit = func(e AuditEvent) error {
						mu.Lock()
						defer mu.Unlock()
						audited = append(audited, e)
						return nil
					}
				})
				for range 2 { // the second sends nothing early
					c := r.dial()
					c.send(plainStartup)
					c.expect(join(authRequest(0), readyForQuery))
					c.send(terminate)
					c.Close()
				}
				r.stopQuiet()
				for _, e := range audited {
					if e.Kind == AuditLogin && e.Method != tt.method {
						t.Errorf("audited with %q, want %q", e.Method, tt.method)
					}
				}
				if len(audited) != 4 {
					t.Errorf("audited %d events, want two logins and two ends", len(audited))
				}
				if len(r.tokens.users) > 0 {
					t.Errorf("tokens made for %q", r.tokens.users)
				}
				if want := map[bool]int{true: 0, false: 2}[tt.method == ""]; p.asked != want {
					t.Errorf("the password was asked for %d times, want %d", p.asked, want)
				}
				if tt.method != "" && !r.log.hasLine("logged in with a password", "method="+strings.Trim(fmt.Sprintf("%q", tt.method), `"`)) && !r.log.hasLine(`method="`+tt.method+`"`) {
					t.Errorf("no %s in the log:\n%s", tt.method, r.log.bytes())
				}
				if tt.flag != nil && (tt.flag.flag != tt.want || tt.flag.mechanism != tt.method) {
					t.Errorf("%s with flag %s, want %s with %s", tt.flag.mechanism, tt.flag.flag, tt.method, tt.want)
				}
			})
		})
	}
}

// Users whom the source does not know log in with tokens, beside those it knows.
func TestOtherUsersLogInWithTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &fakePasswords{password: ordinaryPassword}
		r := newPasswordRig(t, p, func(c *databaseConn) { c.logIn(); c.untilTerminate() }, nil)
		c := r.dial()
		c.send(startupPacket(3<<16, "user", "somebody", "database", "app"))
		c.expect(join(authRequest(0), keyData(7, []byte("key7")), readyForQuery))
		c.Close()
		r.stopQuiet()
		if p.asked != 0 || len(r.tokens.users) != 1 {
			t.Errorf("%d passwords and %d tokens asked for, want one token", p.asked, len(r.tokens.users))
		}
	})
}

// A server that does not do its part of SCRAM gets no session, and learns nothing more.
func TestServersThatLieAreRefused(t *testing.T) {
	replace := func(step, old, with string) func(string, string) string {
		return func(at, text string) string {
			if at == step {
				return strings.Replace(text, old, with, 1)
			}
			return text
		}
	}
	at := func(step string, says string) func(string, string) string {
		return func(now, text string) string {
			if now == step {
				return says
			}
			return text
		}
	}
	for name, tt := range map[string]struct {
		lie       func(string, string) string
		skipFinal bool
		says      error
	}{
		"no proof of its own":        {nil, true, errNoFinal},
		"a wrong signature":          {at(stepFinal, "v="+base64.StdEncoding.EncodeToString(make([]byte, 32))), false, errSignature},
		"an empty signature":         {at(stepFinal, "v="), false, errSignature},
		"an error at the end":        {at(stepFinal, "e=other-error"), false, errSignature},
		"nothing at the end":         {at(stepFinal, ""), false, errSignature},
		"another nonce":              {replace(stepFirst, "r=", "r=x"), false, errNonce},
		"a nonce without its part":   {replace(stepFirst, "server's part", ""), false, errNonce},
		"an iteration too many":      {replace(stepFirst, "i=4096", fmt.Sprint("i=", maxIterations+1)), false, errIterations},
		"a huge iteration count":     {replace(stepFirst, "i=4096", "i=99999999999999999999"), false, errIterations},
		"no iterations":              {replace(stepFirst, "i=4096", "i=0"), false, errIterations},
		"a negative iteration count": {replace(stepFirst, "i=4096", "i=-1"), false, errIterations},
		"no salt":                    {replace(stepFirst, "s=", "x="), false, errMalformed},
		"a salt that is none":        {replace(stepFirst, "s=", "s=!"), false, errMalformed},
		"an extension that it needs": {replace(stepFirst, "r=", "m=ext,r="), false, errMalformed},
		"an empty first message":     {at(stepFirst, ""), false, errMalformed},
		"a long first message":       {replace(stepFirst, "i=4096", "i=4096,x="+strings.Repeat("x", maxSASL)), false, errTooLong},
		"a long last message":        {replace(stepFinal, "v=", "v="+strings.Repeat("x", maxSASL)), false, errTooLong},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &fakePasswords{password: ordinaryPassword}
				s := &scramFake{password: ordinaryPassword, offers: []string{"SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"}, lie: tt.lie, skipFinal: tt.skipFinal}
				r := newPasswordRig(t, p, func(c *databaseConn) {
					c.startup()
					if s.logIn(c) {
						c.Write(readyForQuery)
					}
					c.untilTerminate()
				}, nil)
				c := r.dial()
				c.send(plainStartup)
				got := c.failed()
				r.stopQuiet()
				if want := host + " breaks the SCRAM login: " + tt.says.Error(); got['C'] != "08004" || got['M'] != want || got['H'] == "" {
					t.Errorf("got %s %q, want 08004 %q and a hint", got['C'], got['M'], want)
				}
				if len(p.renewals) > 0 {
					t.Error("the login was repeated")
				}
			})
		})
	}
}

// What a database asks for that a password does not answer, and what it asks out of turn.
func TestOddRequestsForAPassword(t *testing.T) {
	for name, tt := range map[string]struct {
		ask  func(*databaseConn)
		code string
		says string
	}{
		"Kerberos":               {func(c *databaseConn) { c.Write(authRequest(7)) }, "28000", `asks for GSSAPI for user "app_user"`},
		"another mechanism":      {func(c *databaseConn) { c.Write(authRequest(10, []byte("OAUTHBEARER\x00\x00")...)) }, "28000", "asks for a SASL login without SCRAM-SHA-256"},
		"no mechanism":           {func(c *databaseConn) { c.Write(authRequest(10)) }, "28000", "asks for a SASL login without SCRAM-SHA-256"},
		"a short salt":           {func(c *databaseConn) { c.Write(authRequest(5, 's')) }, "08004", "out of turn"},
		"SCRAM begun in between": {func(c *databaseConn) { c.Write(authRequest(11, 'r')) }, "08004", "out of turn"},
		"SCRAM ended at once":    {func(c *databaseConn) { c.Write(authRequest(12, 'v')) }, "08004", "out of turn"},
		"the password twice": {func(c *databaseConn) {
			c.Write(authRequest(3))
			readMessage(c)
			c.Write(authRequest(3))
		}, "08004", "out of turn"},
		"clear text behind MD5": {func(c *databaseConn) {
			c.Write(authRequest(5, []byte("salt")...))
			readMessage(c)
			c.Write(authRequest(3))
		}, "08004", "out of turn"},
		"the first message twice": {func(c *databaseConn) {
			s := &scramFake{password: ordinaryPassword, offers: []string{"SCRAM-SHA-256"}, lie: func(step, text string) string {
				if step == stepFinal {
					c.Write(authRequest(11, []byte(text)...))
				}
				return text
			}}
			s.logIn(c)
		}, "08004", errOutOfTurn.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newPasswordRig(t, &fakePasswords{password: ordinaryPassword}, func(c *databaseConn) {
					c.startup()
					tt.ask(c)
					c.untilTerminate()
				}, nil)
				c := r.dial()
				c.send(plainStartup)
				got := c.failed()
				r.stopQuiet()
				if got['C'] != tt.code || !strings.Contains(got['M'], tt.says) {
					t.Errorf("got %s %q, want %s %q", got['C'], got['M'], tt.code, tt.says)
				}
			})
		})
	}
}

// A password that cannot be had, or sent, ends the login; what the source says reaches the
// client.
func TestPasswordsThatCannotBeSent(t *testing.T) {
	for name, p := range map[string]*fakePasswords{
		"empty":    {},
		"with NUL": {password: "battery\x00staple"},
		"long":     {password: strings.Repeat("battery", maxAuthBody)},
		"none":     {err: &statedError{"no such secret", "28000", "asked nicely", "name another"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newPasswordRig(t, p, func(c *databaseConn) {
					c.startup()
					c.send(authRequest(3))
					if m, err := readMessage(c); err == nil {
						t.Errorf("the database was sent %q", m)
					}
				}, nil)
				c := r.dial()
				c.send(plainStartup)
				got := c.failed()
				r.stopQuiet()
				if got['C'] != "28000" || got['H'] == "" {
					t.Errorf("got %q, want 28000 with a hint", got)
				}
				if p.err != nil && (got['M'] != `getting the password of user "app_user": no such secret` || got['D'] != "asked nicely" || got['H'] != "name another") {
					t.Errorf("got %q", got)
				}
			})
		})
	}
}

// Where a request for clear text means a token, the secret is not even read.
func TestNoPasswordGoesWhereATokenIsWanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &fakePasswords{password: ordinaryPassword}
		r := newPasswordRig(t, p, func(c *databaseConn) {
			c.startup()
			c.send(authRequest(3))
			if m, err := readMessage(c); err == nil {
				t.Errorf("the database was sent %q", m)
			}
		}, func(cfg *Config) { cfg.Routes[0].ClearTextToken = true })
		c := r.dial()
		c.send(plainStartup)
		got := c.failed()
		r.stopQuiet()
		if got['C'] != "28000" || got['M'] != host+` asks for an IAM token for user "app_user"` || p.asked != 0 || len(p.renewals) != 0 {
			t.Errorf("got %q, %d passwords asked for, %d renewed", got, p.asked, len(p.renewals))
		}
	})
}

// A server that has asked by SCRAM and then trusts itself is answered, with a warning.
func TestAWeakerRequestIsToldOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		scram := true
		r := newPasswordRig(t, &fakePasswords{password: ordinaryPassword}, func(c *databaseConn) {
			c.startup()
			if scram {
				(&scramFake{password: ordinaryPassword, offers: []string{"SCRAM-SHA-256"}}).logIn(c)
			} else {
				c.send(authRequest(3))
				readMessage(c)
				c.Write(authRequest(0))
			}
			c.Write(readyForQuery)
			c.untilTerminate()
		}, nil)
		const warning = "weaker way than before"
		connect := func() {
			c := r.dial()
			c.send(plainStartup)
			c.expect(join(authRequest(0), readyForQuery))
			c.send(terminate)
			c.Close()
			synctest.Wait()
		}
		scram = false
		connect()
		scram = true
		connect()
		connect()
		if r.log.hasLine(warning) {
			t.Errorf("told of where nothing is weaker:\n%s", r.log.bytes())
		}
		scram = false
		connect()
		if !r.log.hasLine("level=WARN", warning, "user=app_user", "before=SCRAM", `method="clear text"`) {
			t.Errorf("no warning:\n%s", r.log.bytes())
		}
		r.stopQuiet()
	})
}

// A ready login is told of as that of a client, and one by SCRAM counts as such.
func TestAWeakerReadyLoginIsToldOf(t *testing.T) {
	for name, tt := range map[string]struct {
		byScram []bool // the login of the first client, the ready one, and that behind it
		warned  bool   // when the first client has been served
	}{
		"the ready login is weaker":            {[]bool{true, false}, true},
		"the client's login before was weaker": {[]bool{false, true}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var logins atomic.Int32
				r := newPasswordRig(t, &fakePasswords{password: ordinaryPassword}, func(c *databaseConn) {
					c.startup()
					if n := int(logins.Add(1)); n <= len(tt.byScram) && tt.byScram[n-1] {
						(&scramFake{password: ordinaryPassword, offers: []string{"SCRAM-SHA-256"}}).logIn(c)
					} else {
						c.send(authRequest(5, []byte("salt")...))
						readMessage(c)
						c.Write(authRequest(0))
					}
					c.Write(readyForQuery)
					c.untilTerminate()
				}, func(cfg *Config) { cfg.Routes[0].ReadyLogins = 1 })
				warned := func() bool {
					return r.log.hasLine("level=WARN", "weaker way than before", "route="+host, "user=app_user", "before=SCRAM", "method=MD5")
				}
				first := r.dial()
				first.send(plainStartup)
				first.expect(join(authRequest(0), readyForQuery))
				awaitReady()
				if n := logins.Load(); n != 2 || warned() != tt.warned {
					t.Errorf("%d logins, want 2; warned %v, want %v:\n%s", n, warned(), tt.warned, r.log.bytes())
				}
				second := r.dial() // gets the ready login; a third is made, by MD5
				second.send(plainStartup)
				second.expect(join(authRequest(0), readyForQuery))
				awaitReady()
				if n := logins.Load(); n != 3 || !warned() {
					t.Errorf("%d logins, want 3; no warning:\n%s", n, r.log.bytes())
				}
				for _, c := range []*client{first, second} {
					c.send(terminate)
					c.Close()
				}
				r.stopQuiet()
			})
		})
	}
}

// No password goes over what is not verified TLS, whoever has made the connection.
func TestPasswordsNeedVerifiedTLS(t *testing.T) {
	for name, server := range map[string]any{
		"no TLS": new(bytes.Buffer),
		"not verified": struct {
			*bytes.Buffer
			unverified
		}{new(bytes.Buffer), unverified{}},
	} {
		l := &login{server: server.(interface {
			Read([]byte) (int, error)
			Write([]byte) (int, error)
		}), user: "app_user", route: &Route{Name: host}, ordinary: &ordinary{source: &fakePasswords{password: ordinaryPassword}}, watch: new(stopwatch)}
		if _, err := l.reply(t.Context(), authRequest(3)); !errors.Is(err, errPlain) {
			t.Errorf("%s: %v, want %v", name, err, errPlain)
		}
	}
}

type unverified struct{}

func (unverified) ConnectionState() tls.ConnectionState {
	return tls.ConnectionState{PeerCertificates: []*x509.Certificate{{}}}
}

// The library that computes is held to the vector of RFC 7677, section 3.
func TestVectorOfRFC7677(t *testing.T) {
	client, err := scram.SHA256.NewClient("user", "pencil", "")
	if err != nil {
		t.Fatal(err)
	}
	c := client.WithNonceGenerator(func() string { return "rOprNGfwEbeRWgbNEkqO" }).NewConversation()
	for _, step := range [][2]string{
		{"", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"},
		{"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
			"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="},
		{"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", ""},
	} {
		if got, err := c.Step(step[0]); err != nil || got != step[1] {
			t.Errorf("%q is answered with %q, %v, want %q", step[0], got, err, step[1])
		}
	}
	if !c.Valid() {
		t.Error("the server of the vector is not believed")
	}
}

// Nobody is believed whose messages were made before the client's nonce was known.
func FuzzSCRAMServer(f *testing.F) {
	f.Add([]byte("r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"), []byte("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), false)
	f.Add([]byte("SERVER,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=2"), []byte("v="), true)
	f.Add([]byte("SERVER,s=,i=1,x=y"), []byte("e=other-error"), true)
	f.Add([]byte("m=1"), []byte(""), false)
	f.Fuzz(func(t *testing.T, first, final []byte, extends bool) {
		s, _, err := newSCRAM("pencil", []string{scramPlain}, tls.ConnectionState{})
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(first, []byte("i=1000000")) || bytes.Contains(first, []byte("i=9")) {
			first = bytes.ReplaceAll(first, []byte("i="), []byte("i=1,x=")) // no minutes for one input
		}
		if extends {
			first = append([]byte("r="+s.nonce), first...)
		}
		answer, err := s.answer(first)
		if err == nil && (!extends || !bytes.HasPrefix(answer, []byte("c="))) {
			t.Errorf("%q is answered with %q", first, answer)
		}
		if s.verify(final) == nil || s.proven() {
			t.Errorf("%q and %q are believed", first, final)
		}
	})
}

// A certificate without a binding allows SCRAM without -PLUS, and says so: the server must
// not take it for an offer that somebody has removed.
func TestCertificatesWithoutABinding(t *testing.T) {
	state := tls.ConnectionState{PeerCertificates: []*x509.Certificate{{SignatureAlgorithm: x509.PureEd25519}}}
	s, first, err := newSCRAM("pencil", []string{scramPlus, scramPlain}, state)
	if err != nil || s.mechanism != scramPlain || !bytes.HasPrefix(first, []byte("n,,n=,r=")) {
		t.Errorf("%+v, %q, %v", s, first, err)
	}
	if _, _, err := newSCRAM("pencil", []string{scramPlus}, state); !errors.Is(err, errUnbound) {
		t.Errorf("-PLUS alone: %v", err)
	}
}
