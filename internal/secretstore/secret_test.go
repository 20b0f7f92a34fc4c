package secretstore

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/smithy-go"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/iampolicy"
	"github.com/pgkeyless/pgkeyless/internal/secret"
)

// fakeAPI is Secrets Manager with one secret.
type fakeAPI struct {
	mu      sync.Mutex
	text    string
	version string
	err     error
	slow    time.Duration
	reads   int
}

func (f *fakeAPI) set(text, version string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.text, f.version, f.err = text, version, err
}

func (f *fakeAPI) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reads
}

func (f *fakeAPI) GetSecretValue(ctx context.Context, id string) (Value, error) {
	f.mu.Lock()
	f.reads++
	slow := f.slow
	f.mu.Unlock()
	select {
	case <-time.After(slow):
	case <-ctx.Done():
		return Value{}, ctx.Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return Value{}, f.err
	}
	text := f.text
	return Value{ARN: "arn:" + id, Text: &text, Version: f.version, Created: time.Now()}, nil
}

func (f *fakeAPI) DescribeSecret(context.Context, string) (Description, error) {
	return Description{ARN: "arn:x", Key: "key"}, f.err
}

func newTest(t *testing.T, api *fakeAPI) *Secret {
	s := New(Config{ID: "orders/app", Region: "eu-central-1", API: api, User: "app", Profile: "dev",
		Credentials: credentials.NewStaticCredentialsProvider("a", "b", "")})
	t.Cleanup(s.Close)
	return s
}

const jsonOf = `{"username":"app","password":"`

// One read serves a burst, and what comes within its age.
func TestABurstReadsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &fakeAPI{text: jsonOf + `one"}`, version: "1", slow: time.Second}
		s := newTest(t, api)
		burst := func() {
			var all sync.WaitGroup
			for range 20 {
				all.Go(func() {
					if l, err := s.Login(t.Context()); err != nil || l.Password.Reveal() != "one" {
						t.Errorf("got %q, %v", l.Password.Reveal(), err)
					}
				})
			}
			all.Wait()
		}
		burst()
		time.Sleep(freshFor / 2)
		burst()
		if n := api.count(); n != 1 {
			t.Errorf("%d reads for two bursts, want 1", n)
		}
		time.Sleep(freshFor)
		began := time.Now()
		burst()
		synctest.Wait()
		if n, took := api.count(), time.Since(began); n != 2 || took != 0 {
			t.Errorf("%d reads in %v once it was old, want 2 at once", n, took)
		}
	})
}

// While AWS is silent, or a person is to log in to it, nobody waits who has a password
// that may still work.
func TestNobodyWaitsForARefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &fakeAPI{text: jsonOf + `one"}`, version: "1"}
		s := newTest(t, api)
		prompt := &prompting{}
		s.cfg.Credentials = prompt
		s.cfg.Explain = func(err error) error { return err }
		login := func(when string) {
			t.Helper()
			began := time.Now()
			if l, err := s.Login(t.Context()); err != nil || l.Password.Reveal() != "one" || time.Since(began) != 0 {
				t.Errorf("%s: got %q, %v after %v", when, l.Password.Reveal(), err, time.Since(began))
			}
		}
		login("at first")
		time.Sleep(freshFor)
		api.mu.Lock()
		api.slow = time.Hour
		api.mu.Unlock()
		for range 60 { // of which a read takes 20
			login("AWS is silent")
			time.Sleep(time.Second)
		}
		if n := api.count(); n != 3 {
			t.Errorf("%d reads, want the first and two in a minute of silence", n)
		}
		prompt.waits(true)
		for range 3 {
			login("a person is asked")
			time.Sleep(2 * refreshTimeout)
		}
		prompt.waits(false)
		api.mu.Lock()
		api.slow = 0
		api.mu.Unlock()
		login("all is well")
		synctest.Wait()
		if s.Last().Created.Before(time.Now()) {
			t.Error("the refresh has not read the secret")
		}
		time.Sleep(freshFor)
		prompt.waits(true)
		login("and Close ends the last")
	})
}

// prompting is credentials for which a person may be asked, who does not answer.
type prompting struct {
	mu  sync.Mutex
	ask bool
}

func (p *prompting) waits(ask bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ask = ask
}

func (p *prompting) Retrieve(ctx context.Context) (aws.Credentials, error) {
	p.mu.Lock()
	ask := p.ask
	p.mu.Unlock()
	if ask {
		<-ctx.Done()
		return aws.Credentials{}, errors.New("nobody has logged in")
	}
	return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b"}, nil
}

// A read ends with the last client that waits for it, which hears what it waited for.
func TestAReadEndsWithItsClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTest(t, &fakeAPI{text: jsonOf + `one"}`})
		prompt := &prompting{ask: true}
		s.cfg.Credentials = prompt
		var all sync.WaitGroup
		for i := range 3 {
			all.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i+1)*time.Second)
				defer cancel()
				if _, err := s.Login(ctx); err == nil || err.Error() != "nobody has logged in" {
					t.Errorf("got %v", err)
				}
			})
		}
		all.Wait() // the bubble finds a goroutine that is left
		prompt.waits(false)
		if _, err := s.Login(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Clients whose password was refused share one read, good or bad, and the next ones its
// result for a while.
func TestRenewSharesWhatAWSSays(t *testing.T) {
	denied := &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "no"}
	for name, tt := range map[string]struct {
		err   error
		slow  time.Duration
		cause string
		quiet time.Duration // without another read
	}{
		"the same password": {nil, time.Second, "", renewPause},
		"denied":            {denied, time.Second, "secret-denied", renewPause},
		"silent":            {nil, time.Hour, "secret-unreachable", unansweredPause - readTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := &fakeAPI{text: jsonOf + `one"}`, version: "1"}
				s := newTest(t, api)
				if _, err := s.Login(t.Context()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				api.mu.Lock()
				api.err, api.slow = tt.err, tt.slow
				api.mu.Unlock()
				renew := func() {
					l, err := s.Renew(t.Context(), secret.New("one"))
					if causes.Name(err) != tt.cause || (l.Password.Reveal() != "") != (tt.err == nil) {
						t.Errorf("got %q, %v, want %s", l.Password.Reveal(), err, tt.cause)
					}
				}
				began := time.Now()
				var all sync.WaitGroup
				for range 20 {
					all.Go(renew)
				}
				all.Wait()
				if took := time.Since(began); took > readTimeout {
					t.Errorf("20 clients took %v", took)
				}
				time.Sleep(tt.quiet - time.Millisecond)
				renew()
				if n := api.count(); n != 2 {
					t.Errorf("%d reads, want 2", n)
				}
				time.Sleep(renewPause + time.Millisecond)
				renew()
				if n := api.count(); n != 3 {
					t.Errorf("%d reads after the pause, want 3", n)
				}
			})
		})
	}
}

// A pool that reconnects with a password that stays wrong costs few reads, and one that is
// new starts at once.
func TestReadsForAWrongPasswordGetRarer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &fakeAPI{text: jsonOf + `one"}`, version: "1"}
		s := newTest(t, api)
		for range 10 * 60 {
			if _, err := s.Renew(t.Context(), secret.New("one")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if n := api.count(); n < 15 || n > 30 {
			t.Errorf("%d reads in ten minutes", n)
		}
		api.set(jsonOf+`two"}`, "2", nil)
		time.Sleep(renewMost)
		if l, _ := s.Renew(t.Context(), secret.New("one")); l.Password.Reveal() != "two" {
			t.Error("a new password is not found")
		}
		time.Sleep(renewPause)
		before := api.count()
		if s.Renew(t.Context(), secret.New("two")); api.count() != before+1 {
			t.Error("the pause for another password is not the first one again")
		}
	})
}

// Close leaves nothing in memory, and the next login reads.
func TestCloseForgetsThePassword(t *testing.T) {
	api := &fakeAPI{text: jsonOf + `one"}`, version: "1"}
	s := newTest(t, api)
	s.Login(t.Context())
	s.Close()
	if s.login.Password.Reveal() != "" {
		t.Error("the password is still there")
	}
	if _, err := s.Login(t.Context()); err != nil || api.count() != 2 {
		t.Errorf("%v, %d reads", err, api.count())
	}
}

// Who waits for a read while the Secret is closed gets the password, and so does who comes
// later. It is not kept for either.
func TestAClosedSecretKeepsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &fakeAPI{text: jsonOf + `one"}`, version: "1", slow: time.Second}
		s := newTest(t, api)
		for reads := 1; reads < 3; reads++ {
			waited := make(chan struct{})
			go func() {
				defer close(waited)
				if l, err := s.Login(t.Context()); err != nil || l.Password.Reveal() != "one" {
					t.Errorf("got %q, %v", l.Password.Reveal(), err)
				}
			}()
			synctest.Wait()
			s.Close()
			<-waited
			synctest.Wait()
			if s.known || s.login.Password.Reveal() != "" {
				t.Error("the password is back after Close")
			}
			if n := api.count(); n != reads {
				t.Errorf("%d reads, want %d", n, reads)
			}
		}
		l, err := s.Renew(t.Context(), secret.Text{})
		if err != nil || l.Password.Reveal() != "one" || s.known {
			t.Errorf("renewed: %q, %v, kept: %v", l.Password.Reveal(), err, s.known)
		}
	})
}

// A burst shares a failure, and the next login asks again.
func TestAFailureIsSharedAndForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &fakeAPI{err: &smithy.GenericAPIError{Code: "ResourceNotFoundException", Message: "no"}, slow: time.Second}
		s := newTest(t, api)
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if _, err := s.Login(t.Context()); causes.Name(err) != "secret-missing" || !causes.Stale(err) {
					t.Errorf("got %v", err)
				}
			})
		}
		all.Wait()
		if n := api.count(); n != 1 {
			t.Errorf("%d reads, want 1", n)
		}
		time.Sleep(time.Millisecond)
		api.set(jsonOf+`one"}`, "1", nil)
		if _, err := s.Login(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A client that leaves while it asks takes nobody along.
func TestAClientThatLeavesIsNobodyElsesFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &fakeAPI{text: jsonOf + `one"}`, slow: time.Second}
		s := newTest(t, api)
		leaving, leave := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer leave()
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := s.Login(leaving); err == nil {
				t.Error("got a login after leaving")
			}
		})
		synctest.Wait()
		all.Go(func() {
			if _, err := s.Login(t.Context()); err != nil {
				t.Errorf("got %v", err)
			}
		})
		all.Wait()
	})
}

// Where AWS does not answer, what is in memory serves for an hour. What it denies is
// forgotten as soon as it has said so.
func TestWhatIsInMemoryServesWhileAWSDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &fakeAPI{text: jsonOf + `one"}`, version: "1"}
		s := newTest(t, api)
		login := func() error { _, err := s.Login(t.Context()); return err }
		if err := login(); err != nil {
			t.Fatal(err)
		}
		api.set("", "", errors.New("no route to host"))
		time.Sleep(usableFor / 2)
		for range 20 {
			if err := login(); err != nil {
				t.Errorf("after half the time: %v", err)
			}
			synctest.Wait()
		}
		if n := api.count(); n != 2 {
			t.Errorf("%d reads, want 2", n)
		}
		time.Sleep(usableFor)
		if err := login(); causes.Name(err) != "secret-unreachable" {
			t.Errorf("after all of it: %v", err)
		}
		api.set(jsonOf+`one"}`, "1", nil)
		if err := login(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(freshFor)
		api.set("", "", &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "no"})
		if err := login(); err != nil {
			t.Errorf("before AWS has answered: %v", err)
		}
		synctest.Wait()
		for range 2 {
			if err := login(); causes.Name(err) != "secret-denied" {
				t.Errorf("denied: %v", err)
			}
		}
	})
}

// After a refusal the secret is read anew, once for a burst, and the next login has what
// was found.
func TestRenew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &fakeAPI{text: jsonOf + `one"}`, version: "1", slow: 100 * time.Millisecond}
		s := newTest(t, api)
		first, err := s.Login(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		for i, want := range []string{"one", "two"} {
			var all sync.WaitGroup
			for range 20 {
				all.Go(func() {
					if l, err := s.Renew(t.Context(), first.Password); err != nil || l.Password.Reveal() != want {
						t.Errorf("got %q, %v, want %q", l.Password.Reveal(), err, want)
					}
				})
			}
			all.Wait()
			if n := api.count(); n != i+2 {
				t.Errorf("%d reads for a burst that was refused, want %d", n, i+2)
			}
			api.set(jsonOf+`two"}`, "2", nil)
			time.Sleep(time.Minute)
		}
		if l, err := s.Login(t.Context()); err != nil || l.Password.Reveal() != "two" {
			t.Errorf("the next login gets %q, %v", l.Password.Reveal(), err)
		}
		if last := s.Last(); last.Version != "2" || last.Password.Reveal() != "" {
			t.Errorf("last was version %q with password %q", last.Version, last.Password.Reveal())
		}
	})
}

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		text, username, password, host string
		err                            error
	}{
		{`{"username":"app","password":"p\"w"}`, "app", `p"w`, "", nil},
		{` {"engine":"postgres","host":"h","username":"app","password":"pw","port":5432,"dbname":"x"}` + "\n", "app", "pw", "h", nil},
		{`{"username":"app","password":"pw","host":7,"Password":"other"}`, "app", "pw", "", nil},
		{"hunter2", "", "hunter2", "", nil},
		{"hunter2\n", "", "hunter2", "", nil},
		{"hunter2\r\n", "", "hunter2", "", nil},
		{" hunter 2 \n\n", "", " hunter 2 \n", "", nil},
		{`"quoted"`, "", `"quoted"`, "", nil},
		{"", "", "", "", errEmpty},
		{"\n", "", "", "", errEmpty},
		{"{", "", "", "", errJSON},
		{`{"username":"app","password":"pw"`, "", "", "", errJSON},
		{`{"password":"pw"}`, "", "", "", errNoUser},
		{`{"username":"","password":"pw"}`, "", "", "", errNoUser},
		{`{"Username":"app","password":"pw"}`, "", "", "", errNoUser},
		{`{"username":"app"}`, "", "", "", errNoPassword},
		{`{"username":"app","password":null}`, "", "", "", errNoPassword},
		{`{"username":"app","password":17}`, "", "", "", errNoPassword},
		{`{"username":"a` + strings.Repeat("p", 63) + `","password":"pw"}`, "", "", "", errUsername},
		{`{"username":"a\u0000","password":"pw"}`, "", "", "", errUsername},
		{`{"username":"app","password":"p\u0000w"}`, "", "", "", errPassword},
		{strings.Repeat("x", maxPassword+1), "", "", "", errPassword},
		{strings.Repeat("x", maxSecret+1), "", "", "", errTooLong},
	} {
		l, err := parse(tt.text)
		if !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) || err == nil && (l.Username != tt.username || l.Password.Reveal() != tt.password || l.Host != tt.host) {
			t.Errorf("%.40q: %q, %q, %q, %v; want %q, %q, %q, %v", tt.text, l.Username, l.Password.Reveal(), l.Host, err, tt.username, tt.password, tt.host, tt.err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`{"username":"app","password":"pw"}`)
	f.Add("hunter2\n")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := parse(text)
		words := l.Password.Reveal()
		if err == nil && (words == "" || strings.ContainsRune(words, 0) || len(words) > maxPassword || len(l.Username) > maxUsername) {
			t.Errorf("%q gives user %q and password %q", text, l.Username, words)
		}
		if err != nil && len(text) > 8 && strings.Contains(err.Error(), text) {
			t.Errorf("the error repeats the secret: %v", err)
		}
	})
}

// What AWS says is told with what to do, and never with what a secret holds.
func TestErrorsSayWhatToDo(t *testing.T) {
	const denied = "User: arn:aws:sts::111122223333:assumed-role/developer/ada is not authorized to perform: "
	api := func(code, message string) error { return &smithy.GenericAPIError{Code: code, Message: message} }
	for _, tt := range []struct {
		err         error
		text        string
		cause, part string
	}{
		{api("ResourceNotFoundException", "Secrets Manager can't find the specified secret."), "", "secret-missing", "list-secrets --region eu-central-1"},
		{api("InvalidRequestException", "You can't perform this operation on the secret because it was marked for deletion."), "", "secret-deleted", "restore-secret --secret-id orders/app"},
		{api("AccessDeniedException", denied+"secretsmanager:GetSecretValue on resource: arn:aws:secretsmanager:eu-central-1:111122223333:secret:orders/app because no identity-based policy allows it"), "",
			"secret-denied", `"Resource":"arn:aws:secretsmanager:eu-central-1:111122223333:secret:orders/app-??????"`},
		{api("AccessDeniedException", denied+"secretsmanager:GetSecretValue on resource: orders/app because no identity-based policy allows it"), "",
			"secret-denied", `"Resource":"arn:aws:secretsmanager:eu-central-1:*:secret:orders/app-??????"`},
		{api("AccessDeniedException", "Access to KMS is not allowed"), "", "secret-key-denied", `"Action":"kms:Decrypt"`},
		{api("AccessDeniedException", denied+"kms:Decrypt on resource: arn:aws:kms:eu-central-1:111122223333:key/k because no"), "", "secret-key-denied", `"Resource":"arn:aws:kms:eu-central-1:111122223333:key/k"`},
		{api("DecryptionFailure", "Secrets Manager can't decrypt the protected secret text using the provided KMS key."), "", "secret-key-denied", "enabled"},
		{api("ThrottlingException", "Rate exceeded"), "", "secret-error", "GetSecretValue"},
		{errors.New("no route to host"), "", "secret-unreachable", "AWS_ENDPOINT_URL_SECRETS_MANAGER"},
		{nil, `{"username":"app","pass":"hunter2"}`, "secret-format", `{"password":"…","username":"app"}`},
		{nil, `{"username":"other","password":"hunter2"}`, "secret-other-user", "user=other"},
	} {
		f := &fakeAPI{text: tt.text, err: tt.err}
		_, err := newTest(t, f).Login(t.Context())
		told := err.Error() + "\n" + causes.Detail(err) + "\n" + causes.Hint(err)
		if causes.Name(err) != tt.cause || !strings.Contains(causes.Hint(err), tt.part) || !strings.Contains(causes.Detail(err), "profile dev") {
			t.Errorf("%v: %s, want %s with %q", tt.err, told, tt.cause, tt.part)
		}
		if strings.Contains(told, "hunter2") || strings.ContainsAny(told, "{}") && !strings.Contains(told, `{"`) {
			t.Errorf("%s", told)
		}
	}
	_, err := newTest(t, &fakeAPI{err: api("AccessDeniedException", "no")}).Describe(t.Context())
	if !strings.Contains(causes.Hint(err), "secretsmanager:DescribeSecret") {
		t.Errorf("describing: %v, %s", err, causes.Hint(err))
	}
}

func TestPattern(t *testing.T) {
	here := iampolicy.Place{Partition: "aws-cn", Region: "cn-north-1", Account: "1"}
	for id, want := range map[string]string{
		"orders/app": "arn:aws-cn:secretsmanager:cn-north-1:1:secret:orders/app-??????",
		"arn:aws:secretsmanager:r:2:secret:x-AbCdEf":  "arn:aws:secretsmanager:r:2:secret:x-AbCdEf",
		"arn:aws:secretsmanager:r:2:secret:x-AbCdEf7": "arn:aws:secretsmanager:r:2:secret:x-AbCdEf7-??????",
		"arn:aws:secretsmanager:r:2:secret:orders/x":  "arn:aws:secretsmanager:r:2:secret:orders/x-??????",
	} {
		if got := Pattern(here, id); got != want {
			t.Errorf("%s: got %s, want %s", id, got, want)
		}
	}
	if RegionOf("arn:aws:secretsmanager:eu-west-1:2:secret:x-AbCdEf") != "eu-west-1" || RegionOf("orders/app") != "" {
		t.Error("the region of an ARN is its own, and a name has none")
	}
}
