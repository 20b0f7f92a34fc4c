package secretstore

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/secret"
)

const (
	// freshFor is how old what is in memory may be at a login.
	freshFor = 5 * time.Minute
	// usableFor is how old it may be where AWS does not answer.
	usableFor = time.Hour
	// renewPause is the least time between two reads for logins that were refused.
	renewPause = time.Second
	// rotationLag is how long a refused version may be due to a rotation: AWS's current
	// version is behind for about a minute.
	rotationLag = 90 * time.Second
	// refusalKept is how long a refused version is remembered without another refusal.
	refusalKept = 10 * time.Minute
	// unansweredPause is how long AWS is not asked after it has not answered, where what is
	// in memory serves.
	unansweredPause = 30 * time.Second
	// readTimeout bounds one read, once there are credentials.
	readTimeout = 20 * time.Second
)

// API is the part of Secrets Manager that is asked. *secretsmanager.Client is one.
type API interface {
	GetSecretValue(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error)
	DescribeSecret(context.Context, *secretsmanager.DescribeSecretInput, ...func(*secretsmanager.Options)) (*secretsmanager.DescribeSecretOutput, error)
}

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

// Secret is one secret. Its methods are safe for concurrent use, and wait for each other.
type Secret struct {
	cfg    Config
	asking chan struct{} // holds one: who asks owns what follows

	known bool
	login Login
	err   error     // of the last read
	read  time.Time // when that was over; zero before
	// unanswered is when AWS last gave no answer while login was known.
	unanswered time.Time

	refused struct {
		version     string
		since, last time.Time
	}
}

// New makes a Secret of which nothing has been read.
func New(cfg Config) *Secret {
	return &Secret{cfg: cfg, asking: make(chan struct{}, 1)}
}

// ID is the name or the ARN that the secret goes by.
func (s *Secret) ID() string { return s.cfg.ID }

// Login returns what the secret holds, from memory while that is fresh. Whoever waits for
// a read shares its answer. Errors are *causes.Error or of the credentials; a failure is not
// remembered.
func (s *Secret) Login(ctx context.Context) (Login, error) {
	came := wall()
	if err := s.take(ctx); err != nil {
		return Login{}, err
	}
	defer s.give()
	switch now := wall(); {
	case s.known && fresh(now.Sub(s.read), freshFor):
		return s.login, nil
	case s.known && fresh(now.Sub(s.unanswered), unansweredPause) && fresh(now.Sub(s.read), usableFor):
		return s.login, nil
	case s.err != nil && s.read.After(came):
		return Login{}, s.err
	}
	return s.fetch(ctx)
}

// Renew returns what the secret holds after the database has refused refused, and whether
// the database may take it soon, or another: a rotation may be under way. It reads the
// secret unless another has since.
func (s *Secret) Renew(ctx context.Context, refused secret.Text) (now Login, hope bool, err error) {
	if err := s.take(ctx); err != nil {
		return Login{}, false, err
	}
	defer s.give()
	if s.known && !same(s.login.Password, refused) {
		return s.login, true, nil
	}
	if !s.known || !fresh(wall().Sub(s.read), renewPause) {
		if _, err := s.fetch(ctx); err != nil {
			return Login{}, false, err
		}
	}
	if !same(s.login.Password, refused) {
		return s.login, true, nil
	}
	return s.login, s.mayRotate(wall()), nil
}

// Last is what was read last, without its password; the zero Login before.
func (s *Secret) Last() Login {
	select {
	case s.asking <- struct{}{}:
		defer s.give()
	default: // somebody asks just now
		return Login{}
	}
	last := s.login
	last.Password = secret.Text{}
	return last
}

// mayRotate notes a refusal of the version that is known, and says whether the first was
// so short a time ago that a rotation may explain it.
func (s *Secret) mayRotate(now time.Time) bool {
	r := &s.refused
	if r.version != s.login.Version || !fresh(now.Sub(r.last), refusalKept) {
		r.version, r.since = s.login.Version, now
	}
	r.last = now
	return fresh(now.Sub(r.since), rotationLag)
}

// fetch reads the secret. Where AWS does not answer, what was read before serves on for a
// while; what AWS denies is forgotten.
func (s *Secret) fetch(ctx context.Context) (Login, error) {
	login, err := s.get(ctx)
	if ctx.Err() != nil { // the client left: nobody else's answer
		return login, err
	}
	now := wall()
	if err != nil && passing(err) && s.known && fresh(now.Sub(s.read), usableFor) {
		s.unanswered = now
		return s.login, nil
	}
	s.known, s.login, s.err, s.read = err == nil, login, err, now
	return login, err
}

// get asks Secrets Manager.
func (s *Secret) get(ctx context.Context) (Login, error) {
	if _, err := s.cfg.Credentials.Retrieve(ctx); err != nil { // in the time that a person may take
		return Login{}, s.explain(err)
	}
	asking, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	out, err := s.cfg.API.GetSecretValue(asking, &secretsmanager.GetSecretValueInput{SecretId: &s.cfg.ID})
	if err != nil {
		return Login{}, s.worded("secretsmanager:GetSecretValue", err)
	}
	var login Login
	switch {
	case out.SecretString != nil:
		login, err = parse(*out.SecretString)
	case len(out.SecretBinary) > 0:
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
	login.ARN, login.Version, login.Created = aws.ToString(out.ARN), aws.ToString(out.VersionId), aws.ToTime(out.CreatedDate)
	return login, nil
}

func (s *Secret) take(ctx context.Context) error {
	select {
	case s.asking <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *Secret) give() { <-s.asking }

// wall is the time by the wall clock, which goes on while a laptop sleeps.
func wall() time.Time { return time.Now().Round(0) }

// fresh reports whether age is below most. A clock that was set back says nothing.
func fresh(age, most time.Duration) bool { return age >= 0 && age < most }

func same(a, b secret.Text) bool { return a.Reveal() == b.Reveal() }
