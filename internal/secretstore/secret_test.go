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
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
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

func (f *fakeAPI) GetSecretValue(ctx context.Context, in *secretsmanager.GetSecretValueInput, _ ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error) {
	f.mu.Lock()
	f.reads++
	slow := f.slow
	f.mu.Unlock()
	select {
	case <-time.After(slow):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return nil, f.err
	}
	return &secretsmanager.GetSecretValueOutput{ARN: aws.String("arn:" + *in.SecretId), SecretString: &f.text, VersionId: &f.version, CreatedDate: aws.Time(time.Now())}, nil
}

func (f *fakeAPI) DescribeSecret(context.Context, *secretsmanager.DescribeSecretInput, ...func(*secretsmanager.Options)) (*secretsmanager.DescribeSecretOutput, error) {
	return &secretsmanager.DescribeSecretOutput{ARN: aws.String("arn:x"), KmsKeyId: aws.String("key")}, f.err
}

func newTest(api *fakeAPI) *Secret {
	return New(Config{ID: "orders/app", Region: "eu-central-1", API: api, User: "app", Profile: "dev",
		Credentials: credentials.NewStaticCredentialsProvider("a", "b", "")})
}

const jsonOf = `{"username":"app","password":"`

// One read serves a burst, and what comes within its age.
func TestABurstReadsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &fakeAPI{text: jsonOf + `one"}`, version: "1", slow: time.Second}
		s := newTest(api)
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
		burst()
		if n := api.count(); n != 2 {
			t.Errorf("%d reads once it was old, want 2", n)
		}
	})
}

// A burst shares a failure, and the next login asks again.
func TestAFailureIsSharedAndForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &fakeAPI{err: &smithy.GenericAPIError{Code: "ResourceNotFoundException", Message: "no"}, slow: time.Second}
		s := newTest(api)
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
		s := newTest(api)
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

// Where AWS does not answer, what is in memory serves for an hour, and AWS is not waited
// for by each login. What it denies is forgotten at once.
func TestWhatIsInMemoryServesWhileAWSDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &fakeAPI{text: jsonOf + `one"}`, version: "1"}
		s := newTest(api)
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
		for range 2 {
			if err := login(); causes.Name(err) != "secret-denied" {
				t.Errorf("denied: %v", err)
			}
		}
	})
}

// After a refusal the secret is read anew, once for a burst; and there is hope for as long
// as a rotation takes.
func TestRenew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &fakeAPI{text: jsonOf + `one"}`, version: "1", slow: 100 * time.Millisecond}
		s := newTest(api)
		first, err := s.Login(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		renew := func(refused secret.Text) (string, bool) {
			l, hope, err := s.Renew(t.Context(), refused)
			if err != nil {
				t.Error(err)
			}
			return l.Password.Reveal(), hope
		}
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if got, hope := renew(first.Password); got != "one" || !hope {
					t.Errorf("got %q, hope %v", got, hope)
				}
			})
		}
		all.Wait()
		if n := api.count(); n != 2 {
			t.Errorf("%d reads for a burst that was refused, want 2", n)
		}
		time.Sleep(rotationLag - time.Second)
		if _, hope := renew(first.Password); !hope {
			t.Error("no hope within the time of a rotation")
		}
		time.Sleep(2 * time.Second)
		if _, hope := renew(first.Password); hope {
			t.Error("hope after the time of a rotation")
		}
		time.Sleep(refusalKept)
		if _, hope := renew(first.Password); !hope {
			t.Error("no hope although the last refusal was long ago")
		}
		time.Sleep(rotationLag)
		api.set(jsonOf+`two"}`, "2", nil)
		reads := api.count()
		for range 20 {
			if got, hope := renew(first.Password); got != "two" || !hope {
				t.Errorf("got %q, hope %v", got, hope)
			}
		}
		if n := api.count(); n != reads+1 {
			t.Errorf("%d more reads for a new version, want 1", n-reads)
		}
		if l, err := s.Login(t.Context()); err != nil || l.Password.Reveal() != "two" {
			t.Errorf("the next login gets %q, %v", l.Password.Reveal(), err)
		}
		if _, hope := renew(secret.New("two")); !hope {
			t.Error("no hope for a version that is new")
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
			"secret-denied", `"Resource":"arn:aws:secretsmanager:eu-central-1:111122223333:secret:orders/app"`},
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
		_, err := newTest(f).Login(t.Context())
		told := err.Error() + "\n" + causes.Detail(err) + "\n" + causes.Hint(err)
		if causes.Name(err) != tt.cause || !strings.Contains(causes.Hint(err), tt.part) || !strings.Contains(causes.Detail(err), "profile dev") {
			t.Errorf("%v: %s, want %s with %q", tt.err, told, tt.cause, tt.part)
		}
		if strings.Contains(told, "hunter2") || strings.ContainsAny(told, "{}") && !strings.Contains(told, `{"`) {
			t.Errorf("%s", told)
		}
	}
	_, err := newTest(&fakeAPI{err: api("AccessDeniedException", "no")}).Describe(t.Context())
	if !strings.Contains(causes.Hint(err), "secretsmanager:DescribeSecret") {
		t.Errorf("describing: %v, %s", err, causes.Hint(err))
	}
}

func TestPattern(t *testing.T) {
	here := iampolicy.Place{Partition: "aws-cn", Region: "cn-north-1", Account: "1"}
	for id, want := range map[string]string{
		"orders/app": "arn:aws-cn:secretsmanager:cn-north-1:1:secret:orders/app-??????",
		"arn:aws:secretsmanager:r:2:secret:x-AbCdEf": "arn:aws:secretsmanager:r:2:secret:x-AbCdEf",
	} {
		if got := Pattern(here, id); got != want {
			t.Errorf("%s: got %s, want %s", id, got, want)
		}
	}
	if RegionOf("arn:aws:secretsmanager:eu-west-1:2:secret:x-AbCdEf") != "eu-west-1" || RegionOf("orders/app") != "" {
		t.Error("the region of an ARN is its own, and a name has none")
	}
}
