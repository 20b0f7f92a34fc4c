package awsapi

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/smithy-go"

	"github.com/pgkeyless/pgkeyless/internal/awserror"
)

// regions are one of each partition.
var regions = []string{
	"eu-west-1", "us-gov-west-1", "cn-north-1", "eusc-de-east-1",
	"us-iso-east-1", "us-isob-east-1", "eu-isoe-west-1", "us-isof-south-1",
}

// Requests go where the SDK's go, signed for the same service and region, and say the same.
func TestRequests(t *testing.T) {
	for _, c := range slices.Concat(calls, lookups) {
		for _, region := range regions {
			for _, s := range []settings{{}, {fips: true}, {dualStack: true}, {true, true}} {
				// Ours differs from the SDK's secretsmanager-fips.cn-north-1.api.amazonwebservices.com.cn.
				// It does not matter: China has no FIPS endpoints.
				if strings.HasPrefix(c.name, "secretsmanager:") && region == "cn-north-1" && s.fips && s.dualStack {
					continue
				}
				t.Run(fmt.Sprintf("%s/%s/%+v", c.name, region, s), func(t *testing.T) {
					ours, theirs := same(t, region, s, &wire{status: 200, answer: c.answer(t)}, c)
					if ours.err != nil || theirs.err != nil {
						t.Errorf("got %v, the SDK %v", ours.err, theirs.err)
					}
				})
			}
		}
	}
}

// Answers are read as the SDK reads them, every field that pgkeyless reads.
func TestAnswers(t *testing.T) {
	for _, c := range slices.Concat(calls, lookups) {
		t.Run(c.name, func(t *testing.T) {
			ours, theirs := same(t, "eu-west-1", settings{}, &wire{status: 200, answer: c.answer(t)}, c)
			if ours.err != nil || theirs.err != nil {
				t.Fatalf("got %v, the SDK %v", ours.err, theirs.err)
			}
			if !reflect.DeepEqual(ours.read, theirs.read) {
				t.Errorf("read %s\nthe SDK %s", shown(ours.read), shown(theirs.read))
			}
			checkFull(t, "answer", reflect.ValueOf(ours.read), map[any]string{})
		})
	}
}

// checkFull fails unless each field in v has a value of its own, and each list two elements
// of which the first is full. seen has the paths of the values so far.
func checkFull(t *testing.T, path string, v reflect.Value, seen map[any]string) {
	t.Helper()
	switch kind := v.Kind(); {
	case kind == reflect.Pointer && !v.IsNil():
		checkFull(t, path, v.Elem(), seen)
	case kind == reflect.Struct && v.Type() != reflect.TypeFor[time.Time]():
		for field, value := range v.Fields() {
			checkFull(t, path+"."+field.Name, value, seen)
		}
	case kind == reflect.Slice && v.Len() >= 2:
		checkFull(t, path+"[0]", v.Index(0), seen)
	case kind == reflect.Slice:
		t.Errorf("%s has %d elements: give it two in testdata", path, v.Len())
	case kind == reflect.Invalid || v.IsZero():
		t.Errorf("%s is zero: give it a value in testdata", path)
	case kind != reflect.Bool:
		if other := seen[v.Interface()]; other != "" {
			t.Errorf("%s has the value of %s, %v: give it one of its own in testdata", path, other, v)
		}
		seen[v.Interface()] = path
	}
}

// refusals are answers that are none, as AWS gives them or what stands before it.
func refusals(t *testing.T, c call) map[string]*wire {
	t.Helper()
	json := func(code, message string) string { return fmt.Sprintf(`{"__type":%q,"message":%q}`, code, message) }
	if strings.HasPrefix(c.answer(t), "<") {
		json = func(code, message string) string {
			code, message = strings.TrimPrefix(code, "com.amazonaws.x#"), strings.ReplaceAll(message, "<", "&lt;")
			return fmt.Sprintf("<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>r</RequestId></ErrorResponse>", code, message)
		}
	}
	id := http.Header{"X-Amzn-Requestid": {"req-1"}}
	return map[string]*wire{
		"denied":           {status: 400, header: id, answer: json("AccessDeniedException", "User: arn:x is not authorized")},
		"throttled":        {status: 400, header: id, answer: json("ThrottlingException", "Rate exceeded")},
		"throttled by 429": {status: 429, header: id, answer: json("TooManyRequestsException", "")},
		"AWS's fault":      {status: 500, header: id, answer: json("InternalFailure", "")},
		"unavailable":      {status: 503, header: id, answer: json("ServiceUnavailable", "")},
		"expired":          {status: 400, header: id, answer: json("ExpiredTokenException", "The security token included in the request is expired")},
		"a gateway":        {status: 403, answer: `{"message":"Forbidden"}`},
		"another page":     {status: 200, answer: "<html><body>Blocked by policy</body></html>"},
		"a page of errors": {status: 503, answer: "<html><body>Try later</body></html>"},
		"other words":      {status: 400, header: id, answer: json("com.amazonaws.x#ValidationException", "1 < 2")},
	}
}

// Refused requests are repeated as often as by the SDK, and the error says the same.
func TestRefusals(t *testing.T) {
	for _, c := range slices.Concat(calls, lookups) {
		for name, answer := range refusals(t, c) {
			t.Run(c.name+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ours, theirs := same(t, "eu-west-1", settings{}, answer, c)
					if got, want := told(ours.err), told(theirs.err); got != want {
						t.Errorf("got %s, the SDK %s", got, want)
					}
				})
			})
		}
	}
}

// told is what pgkeyless reads of an error.
func told(err error) string {
	if err == nil {
		return "no error"
	}
	op, _ := errors.AsType[*smithy.OperationError](err)
	if op == nil {
		return "no error of an operation: " + err.Error()
	}
	message := strings.TrimPrefix(awserror.Message(err), "UnknownError") // which is what the SDK makes of none, and of no code
	return fmt.Sprintf("%s %s: code %q, message %q, HTTP %d, request %q", op.Service(), op.Operation(),
		strings.TrimPrefix(awserror.Code(err), "UnknownError"), message, awserror.Status(err), awserror.RequestID(err))
}
