package secretstore

import (
	"context"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/secret"
)

const (
	// freshFor is how old what is in memory may be at a login that has nothing read anew.
	freshFor = 5 * time.Minute
	// usableFor is how old it may be at a login that is served from it meanwhile.
	usableFor = time.Hour
	// renewPause is the least time between two reads for logins that were refused. It
	// doubles up to renewMost while these find the same password.
	renewPause = time.Second
	renewMost  = 30 * time.Second
	// unansweredPause is the least time from the beginning of a read that AWS has not
	// answered to the next, but for logins that have nothing in memory.
	unansweredPause = 30 * time.Second
	// readTimeout bounds one read, once there are credentials.
	readTimeout = 20 * time.Second
	// refreshTimeout bounds a read that no client waits for, with what a person may take to
	// log in to AWS: as long as a client would wait.
	refreshTimeout = time.Minute
)

// Config says which secret it is. ID, API and Credentials are required.
type Config struct {
	ID          string // a name or an ARN
	Region      string // of the secret
	API         API    // in that region
	Credentials aws.CredentialsProvider
	// User is whose password it must be.
	User    string
	Profile string // named in errors; "" is the SDK's own choice
	// Explain, when not nil, turns an error of a call into what is to blame, when
	// that is the credentials.
	Explain func(error) error
}

// Secret is one secret. Its methods are safe for concurrent use. Who has a login waits for
// nobody, and those who need one wait for the same read.
type Secret struct {
	cfg Config

	mu      sync.Mutex // never held while AWS is asked
	reading *reading   // under way, or nil
	closed  bool       // nothing is kept any more: who waits for a read has it from there

	known bool
	login Login
	read  time.Time // when that was
	tried struct {  // the last read that was not given up
		began, ended time.Time
		err          error
	}
	pause time.Duration // before the next read for a refused login
}

// reading is one read. It goes on while somebody holds it, and those share its result.
type reading struct {
	began   time.Time
	stop    context.CancelFunc
	holders int  // guarded by Secret.mu
	refresh bool // one of them is the Secret itself; guarded by Secret.mu
	renews  bool // for a login that was refused; guarded by Secret.mu

	done  chan struct{} // closed when the following stay as they are
	login Login
	err   error
}

// New makes a Secret of which nothing has been read. Close ends it.
func New(cfg Config) *Secret {
	return &Secret{cfg: cfg, pause: renewPause}
}

// Close forgets the password, for good: each login reads the secret from then on. It ends
// a read that no client waits for, and waits for that.
func (s *Secret) Close() {
	s.mu.Lock()
	s.closed = true
	s.forget()
	r := s.reading
	refreshing := r != nil && r.refresh
	if refreshing {
		r.refresh = false
	}
	s.mu.Unlock()
	if refreshing {
		s.leave(r)
	}
}

// ID is the name or the ARN that the secret goes by.
func (s *Secret) ID() string { return s.cfg.ID }

// Login returns what the secret holds, from memory where that is usable. Once it is no
// longer fresh, it is read anew meanwhile. Who has to wait for a read shares its result.
// Errors are *causes.Error or of the credentials; a failure is not remembered.
func (s *Secret) Login(ctx context.Context) (Login, error) {
	s.mu.Lock()
	now := wall()
	age := now.Sub(s.read)
	if s.known && fresh(age, usableFor) {
		defer s.mu.Unlock()
		if !fresh(age, freshFor) && s.reading == nil && !fresh(now.Sub(s.tried.began), unansweredPause) {
			s.hold(refreshTimeout).refresh = true
		}
		return s.login, nil
	}
	r := s.hold(0)
	s.mu.Unlock()
	return s.wait(ctx, r)
}

// Renew returns what the secret holds after the database has refused refused. It reads the
// secret unless somebody has just done so; then it has that result, good or bad. Where AWS
// does not answer, what is in memory comes with the error while it is usable.
func (s *Secret) Renew(ctx context.Context, refused secret.Text) (Login, error) {
	s.mu.Lock()
	if s.known && !same(s.login.Password, refused) {
		defer s.mu.Unlock()
		return s.login, nil
	}
	var err error
	if s.reading == nil && (s.known || s.tried.err != nil) && s.justTried(wall()) {
		err = s.tried.err
	} else {
		r := s.hold(0)
		r.renews = true
		s.mu.Unlock()
		var now Login
		if now, err = s.wait(ctx, r); err == nil {
			return now, nil
		}
		s.mu.Lock()
	}
	defer s.mu.Unlock()
	if err != nil && !fresh(wall().Sub(s.read), usableFor) {
		return Login{}, err
	}
	return s.login, err // nothing, after AWS has denied it
}

// justTried reports whether it is too early to read again for a login that was refused.
func (s *Secret) justTried(now time.Time) bool {
	if unanswered(s.tried.err) {
		return fresh(now.Sub(s.tried.began), unansweredPause)
	}
	return fresh(now.Sub(s.tried.ended), s.pause)
}

// Last is what was read last, without its password; the zero Login before.
func (s *Secret) Last() Login {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := s.login
	last.Password = secret.Text{}
	return last
}

// hold is the read that is under way, or a new one, which ends after limit unless that is
// zero. s.mu is held. The caller waits for it, or leaves it.
func (s *Secret) hold(limit time.Duration) *reading {
	r := s.reading
	if r == nil {
		ctx, stop := context.WithCancel(context.Background())
		if limit > 0 {
			ctx, stop = context.WithTimeout(context.Background(), limit)
		}
		r = &reading{began: wall(), stop: stop, done: make(chan struct{})}
		s.reading = r
		go s.run(ctx, r)
	}
	r.holders++
	return r
}

// run is r.
func (s *Secret) run(ctx context.Context, r *reading) {
	defer r.stop()
	defer close(r.done)
	r.login, r.err = s.get(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reading == r { // else everybody has left
		s.reading = nil
		s.note(r)
	}
}

// wait waits for r, which the caller holds, or leaves it when ctx ends.
func (s *Secret) wait(ctx context.Context, r *reading) (Login, error) {
	select {
	case <-r.done:
		return r.login, r.err
	case <-ctx.Done():
	}
	_, err := s.cfg.Credentials.Retrieve(ctx) // which know what was waited for
	s.leave(r)
	if err != nil {
		return Login{}, s.explain(err)
	}
	return Login{}, context.Cause(ctx)
}

// leave gives r up for one of those who hold it. The last ends it, and waits for that.
func (s *Secret) leave(r *reading) {
	s.mu.Lock()
	r.holders--
	last := r.holders == 0
	if last && s.reading == r {
		s.reading = nil
	}
	s.mu.Unlock()
	if last {
		r.stop()
		<-r.done
	}
}

// note keeps the result of r, unless s is closed. What AWS denies is forgotten; where it does not answer, or
// nobody has credentials to ask it with, what was read before serves on for a while.
// s.mu is held.
func (s *Secret) note(r *reading) {
	now := wall()
	s.tried.began, s.tried.ended, s.tried.err = r.began, now, r.err
	switch {
	case s.closed:
		s.forget()
	case r.err == nil:
		if r.renews && s.known && same(r.login.Password, s.login.Password) {
			s.pause = min(2*s.pause, renewMost)
		} else {
			s.pause = renewPause
		}
		s.known, s.login, s.read = true, r.login, now
	case definite(r.err) || !fresh(now.Sub(s.read), usableFor):
		s.forget()
	}
}

// forget drops the password. s.mu is held.
func (s *Secret) forget() { s.known, s.login = false, Login{} }

// get asks Secrets Manager.
func (s *Secret) get(ctx context.Context) (Login, error) {
	if _, err := s.cfg.Credentials.Retrieve(ctx); err != nil { // in the time that a person may take
		return Login{}, s.explain(err)
	}
	asking, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	out, err := s.cfg.API.GetSecretValue(asking, s.cfg.ID)
	if err != nil {
		return Login{}, s.worded("secretsmanager:GetSecretValue", err)
	}
	var login Login
	switch {
	case out.Text != nil:
		login, err = parse(*out.Text)
	case out.Binary:
		err = errBinary
	default:
		err = errEmpty
	}
	if err != nil {
		return Login{}, causes.SecretFormat.New(s.facts(), err)
	}
	if login.Username != "" && login.Username != s.cfg.User {
		return Login{}, causes.SecretUser.New(s.facts().With(causes.Facts{"username": login.Username}), nil)
	}
	login.ARN, login.Version, login.Created = out.ARN, out.Version, out.Created
	return login, nil
}

// wall is the time by the wall clock, which goes on while a laptop sleeps.
func wall() time.Time { return time.Now().Round(0) }

// fresh reports whether age is below most. A clock that was set back says nothing.
func fresh(age, most time.Duration) bool { return age >= 0 && age < most }

func same(a, b secret.Text) bool { return a.Reveal() == b.Reveal() }
