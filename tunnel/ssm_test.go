package tunnel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"strings"
	"syscall"
	"testing"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/iampolicy"
	"github.com/pgkeyless/pgkeyless/internal/secret"
)

var testPlace = place{
	target:   "i-0123456789abcdef0",
	region:   "eu-west-1",
	document: iampolicy.RemoteHostDocument,
	address:  "db.internal:5432",
	profile:  "dev",
}

// apiFailure is an error as the SDK gives it, from an HTTP answer.
func apiFailure(status int, err error) error {
	return &smithy.OperationError{ServiceID: "SSM", OperationName: "StartSession", Err: &awshttp.ResponseError{
		RequestID: "req-1",
		ResponseError: &smithyhttp.ResponseError{
			Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}},
			Err:      err,
		},
	}}
}

func generic(code, message string) error {
	return apiFailure(400, &smithy.GenericAPIError{Code: code, Message: message})
}

// ownWords explains itself, as the credentials provider's error does.
type ownWords struct{ beneath error }

func (ownWords) Error() string    { return "SSO session of dev expired" }
func (ownWords) SQLState() string { return "28000" }
func (ownWords) Hint() string     { return "run the login command" }
func (w ownWords) Unwrap() error  { return w.beneath }

func TestAPIErrors(t *testing.T) {
	denied := "User: arn:aws:sts::123456789012:assumed-role/dev/me is not authorized to perform: ssm:StartSession " +
		"on resource: arn:aws:ec2:eu-west-1:123456789012:instance/i-0123456789abcdef0 because no identity-based policy allows the ssm:StartSession action"
	tests := []struct {
		name  string
		err   error
		state string
		fault fault
		msg   string // part of each
		det   string
		hint  string
	}{
		{"target offline", apiFailure(400, apiCode("TargetNotConnected")),
			"08001", faultFinal, "not connected", "jump host i-0123456789abcdef0 in eu-west-1", "wrong"},
		{"no document", apiFailure(400, apiCode("InvalidDocument")),
			"08001", faultFinal, iampolicy.RemoteHostDocument, "eu-west-1", "describe-document"},
		{"AWS fault", apiFailure(500, apiCode("InternalServerError")),
			"08001", faultTransient, "internal error", "request id req-1", "reconnect"},
		{"AWS fault by status", apiFailure(503, &smithy.GenericAPIError{Code: "SlowDay"}),
			"08001", faultTransient, "SlowDay", "req-1", "reconnect"},
		{"access denied", generic("AccessDeniedException", denied),
			"08001", faultFinal, "access denied", "identity arn:aws:sts::123456789012:assumed-role/dev/me",
			"allow ssm:StartSession on arn:aws:ec2:eu-west-1:123456789012:instance/i-0123456789abcdef0"},
		{"access denied, no words", generic("AccessDeniedException", ""),
			"08001", faultFinal, "access denied", "eu-west-1",
			"ssm:StartSession on arn:aws:ec2:eu-west-1:*:instance/i-0123456789abcdef0 and on arn:aws:ssm:eu-west-1::document/" + iampolicy.RemoteHostDocument},
		{"explicit deny", generic("AccessDeniedException", strings.Replace(denied, "because no", "with an explicit deny in a service control policy; no", 1)),
			"08001", faultFinal, "explicit deny", "identity", "denies ssm:StartSession"},
		{"throttled", apiFailure(400, apiCode("ThrottlingException")),
			"08001", faultTransient, "too many", "req-1", "in a minute"},
		{"validation", generic("ValidationException", "1 validation error"),
			"08001", faultFinal, "1 validation error", "db.internal:5432", "db.internal:5432"},
		{"parameters", generic("InvalidParameters", "host is bad"), "08001", faultFinal, "host is bad", "", "document"},
		{"bad request", generic("BadRequest", "no host property"), "08001", faultFinal, "no host property", "", "document"},
		{"AWS does not take the credentials", ownWords{generic("ExpiredTokenException", "SECRET")},
			"28000", faultCredentials, "starting: SSO session of dev expired", "ssm:StartSession", "run the login command"},
		{"unknown code", generic("BrandNew", "news"), "08001", faultFinal, "BrandNew: news", "", "ssm:StartSession"},
		{"foreign text", generic("BadRequest", "a\x1b[31m\nb"), "08001", faultFinal, display.Line("a\x1b[31m\nb"), "", ""},
		{"credentials", fmt.Errorf("operation error SSM: get identity: %w", ownWords{}),
			"28000", faultCredentials, "starting: SSO session of dev expired", "ssm:StartSession", "run the login command"},
		{"network", &url.Error{Op: "Post", URL: "https://ssm/", Err: &net.OpError{Op: "dial", Err: errors.New("no route to host")}},
			"08001", faultTransient, "no route to host", "i-0123456789abcdef0", "HTTPS_PROXY"},
		{"no files left", &url.Error{Op: "Post", URL: "https://ssm/", Err: &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}},
			"08001", faultTransient, "too many open files", "ssm:StartSession, jump host", "ulimit -n"},
		{"deadline", context.DeadlineExceeded, "08001", faultTransient, "in time", "", "network"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := faultOf(tt.err); got != tt.fault {
				t.Errorf("fault %d, want %d", got, tt.fault)
			}
			e := testPlace.apiError("starting", "ssm:StartSession", tt.err)
			if e.SQLState() != tt.state {
				t.Errorf("SQLSTATE %s, want %s", e.SQLState(), tt.state)
			}
			for _, part := range []struct{ name, got, want string }{
				{"message", e.Error(), tt.msg}, {"detail", e.Detail(), tt.det}, {"hint", e.Hint(), tt.hint},
			} {
				if part.got == "" || !strings.Contains(part.got, part.want) {
					t.Errorf("%s %q, want …%q…", part.name, part.got, part.want)
				}
			}
			if !strings.HasPrefix(e.Error(), "starting: ") || strings.Contains(e.Error(), "SECRET") {
				t.Errorf("message %q, want \"starting: …\" without secrets", e)
			}
			if !errors.Is(e, tt.err) {
				t.Errorf("cause %v is out of reach", tt.err)
			}
		})
	}
}

func TestHintsNameTheRightResource(t *testing.T) {
	tests := []struct{ target, region, document, want string }{
		{"mi-0123456789abcdef0", "cn-north-1", "AWS-X", "arn:aws-cn:ssm:cn-north-1:*:managed-instance/mi-0123456789abcdef0 and on arn:aws-cn:ssm:cn-north-1::document/AWS-X"},
		{"ecs:prod_0a1b_0a1b-2", "us-gov-west-1", "mine", "arn:aws-us-gov:ecs:us-gov-west-1:*:task/prod/0a1b and on arn:aws-us-gov:ssm:us-gov-west-1:*:document/mine"},
		{"i-0abc", "eusc-de-east-1", "arn:aws-eusc:ssm:eusc-de-east-1:1:document/x", "arn:aws-eusc:ec2:eusc-de-east-1:*:instance/i-0abc and on arn:aws-eusc:ssm:eusc-de-east-1:1:document/x"},
	}
	for _, tt := range tests {
		p := place{target: tt.target, region: tt.region, document: tt.document}
		if got := p.resources(); strings.Join(got, " and on ") != tt.want {
			t.Errorf("resources of %s: %q, want %q", tt.target, got, tt.want)
		}
	}
}

func TestDocumentParameters(t *testing.T) {
	remote := map[string][]string{"host": {"db"}, "portNumber": {"5432"}, "localPortNumber": {"0"}}
	local := map[string][]string{"portNumber": {"5432"}, "localPortNumber": {"0"}}
	for document, want := range map[string]map[string][]string{
		iampolicy.RemoteHostDocument:              remote,
		"arn:aws:ssm:eu-west-1:1:document/Custom": remote,
		localDocument: local,
		"arn:aws:ssm:eu-west-1::document/" + localDocument: local,
	} {
		if got := documentParameters(document, "db", "5432"); !reflect.DeepEqual(got, want) {
			t.Errorf("parameters for %s: %v, want %v", document, got, want)
		}
	}
}

func TestSSMTokenIsRedacted(t *testing.T) {
	m := openMessage{token: secret.New("very-secret"), clientID: "id"}
	for _, shown := range []string{fmt.Sprint(m), fmt.Sprintf("%+v", m), fmt.Sprintf("%#v", m), fmt.Sprintf("%+v", line{token: m.token})} {
		if strings.Contains(shown, "very-secret") {
			t.Errorf("a token is shown: %q", shown)
		}
	}
	if sent, err := m.json(); err != nil || !strings.Contains(string(sent), `"TokenValue":"very-secret"`) {
		t.Errorf("the agent is sent %s, %v", sent, err)
	}
}
