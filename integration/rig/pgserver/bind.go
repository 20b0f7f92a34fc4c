package pgserver

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jimlambrt/gldap"
)

// PostgreSQL puts the user's name between these two, as it is, to make the name
// it binds as. No part is escaped, so cutting both off gives the name back.
const (
	bindPrefix = "uid="
	bindSuffix = ",ou=iam"
)

// bindTimeout bounds one connection to the bind server; PostgreSQL's lasts for
// one bind, which takes no time unless the machine is busy.
const bindTimeout = 90 * time.Second

// Login is one login by token.
type Login struct {
	User      string // the database user
	AccessKey string // id of the access key that the token names; empty for what is no token
	Endpoint  string // host:port that the token names; empty for what is no token
	Time      time.Time
	OK        bool
	Reason    string // why it was refused; empty when OK
}

// bindServer is the LDAP server that PostgreSQL asks whether a token is good.
// It listens on 127.0.0.1 only.
type bindServer struct {
	verifier *verifier
	server   *gldap.Server
	port     int
	ended    chan error // what gldap's Run returned

	probe   string        // name that only startBindServer binds as
	reached chan struct{} // closed at the first bind as probe
	once    sync.Once

	mu   sync.Mutex
	seen []Login
}

// startBindServer returns once the server answers. gldap opens its listener
// itself and doesn't tell the port, so a port is chosen beforehand, another when
// somebody else was faster, and a bind under a random name shows that it is our
// server that has it.
func startBindServer(v *verifier) (*bindServer, error) {
	var errs []error
	for range maxPortTries {
		b := &bindServer{
			verifier: v,
			ended:    make(chan error, 1),
			probe:    rand.Text(),
			reached:  make(chan struct{}),
		}
		err := b.start()
		if err == nil {
			return b, nil
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("starting the bind server: %w", errors.Join(errs...))
}

func (b *bindServer) start() error {
	mux, err := gldap.NewMux()
	if err != nil {
		return err
	}
	if err := mux.Bind(b.handle); err != nil {
		return err
	}
	b.server, err = gldap.NewServer(gldap.WithReadTimeout(bindTimeout), gldap.WithWriteTimeout(bindTimeout))
	if err != nil {
		return err
	}
	if err := b.server.Router(mux); err != nil {
		return err
	}
	if b.port, err = FreePort(); err != nil {
		return err
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(b.port))
	go func() { b.ended <- b.server.Run(address) }()
	if !b.answers(address) {
		return b.close()
	}
	return nil
}

// answers binds as probe once something listens, and waits for that bind to
// arrive. When it returns false, Run has ended: it couldn't listen.
func (b *bindServer) answers(address string) bool {
	retry := time.NewTicker(5 * time.Millisecond)
	defer retry.Stop()
	conn, err := net.Dial("tcp", address)
	for err != nil {
		select {
		case err := <-b.ended:
			b.ended <- err
			return false
		case <-retry.C:
		}
		conn, err = net.Dial("tcp", address)
	}
	defer conn.Close()
	conn.Write(bindRequest(b.probe)) // lost only if it is somebody else's port
	select {
	case err := <-b.ended:
		b.ended <- err
		return false
	case <-b.reached:
		conn.Read(make([]byte, 64)) // the answer: gldap complains of a peer that doesn't stay for it
		return true
	}
}

// bindRequest is an LDAP bind with message id 1, version 3 and no password.
// name must stay under 100 bytes, so that every length fits a byte.
//
// Source: RFC 4511 section 4.2.
func bindRequest(name string) []byte {
	bind := append([]byte{0x02, 1, 3, 0x04, byte(len(name))}, name...)
	bind = append(bind, 0x80, 0)
	message := append([]byte{0x02, 1, 1, 0x60, byte(len(bind))}, bind...)
	return append([]byte{0x30, byte(len(message))}, message...)
}

// handle answers one bind. It runs on a goroutine of gldap's.
func (b *bindServer) handle(w *gldap.ResponseWriter, r *gldap.Request) {
	resp := r.NewBindResponse(gldap.WithResponseCode(gldap.ResultInvalidCredentials))
	defer func() { w.Write(resp) }() // a lost answer fails the login, which is all there is to do
	m, err := r.GetSimpleBindMessage()
	if err != nil {
		return
	}
	if m.UserName == b.probe {
		b.once.Do(func() { close(b.reached) })
		return
	}
	login := b.check(m.UserName, string(m.Password))
	if login.OK {
		resp.SetResultCode(gldap.ResultSuccess)
	}
	resp.SetDiagnosticMessage(login.Reason) // PostgreSQL logs it
	b.mu.Lock()
	b.seen = append(b.seen, login)
	b.mu.Unlock()
}

func (b *bindServer) check(name, password string) Login {
	login := Login{Time: b.verifier.now()}
	user, hasPrefix := strings.CutPrefix(name, bindPrefix)
	user, hasSuffix := strings.CutSuffix(user, bindSuffix)
	if !hasPrefix || !hasSuffix {
		login.Reason = fmt.Sprintf("bind name %q is not one of PostgreSQL's", name)
		return login
	}
	login.User = user
	accessKey, err := b.verifier.verify(user, password)
	login.AccessKey, login.OK = accessKey, err == nil
	if t, parseErr := parseToken(password); parseErr == nil {
		login.Endpoint = t.host
	}
	if err != nil {
		login.Reason = err.Error()
	}
	return login
}

func (b *bindServer) logins() []Login {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.seen)
}

// close stops the server and waits for its goroutines.
func (b *bindServer) close() error {
	err := b.server.Stop()
	return errors.Join(err, <-b.ended)
}
