package awserror

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"testing"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// answered is an error as the SDK returns it.
func answered(status int, code string) error {
	return &smithy.OperationError{ServiceID: "RDS", OperationName: "DescribeDBInstances", Err: &awshttp.ResponseError{
		RequestID: "req-1",
		ResponseError: &smithyhttp.ResponseError{
			Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}},
			Err:      &smithy.GenericAPIError{Code: code, Message: "of secret things"},
		},
	}}
}

func TestAnswersAreRead(t *testing.T) {
	for code, want := range map[string]struct{ denied, throttled bool }{
		"AccessDenied": {true, false}, "AccessDeniedException": {true, false},
		"Throttling": {false, true}, "ThrottlingException": {false, true}, "ThrottledException": {false, true},
		"TooManyRequestsException": {false, true}, "RequestLimitExceeded": {false, true},
		"DBInstanceNotFound": {}, "NotAccessDenied": {},
	} {
		err := answered(400, code)
		if Code(err) != code || Message(err) != "of secret things" || Denied(err) != want.denied || Throttled(err) != want.throttled || Status(err) != 400 || RequestID(err) != "req-1" {
			t.Errorf("%s: code %q, denied %v, throttled %v, status %d, request %q", code, Code(err), Denied(err), Throttled(err), Status(err), RequestID(err))
		}
	}
	if err := errors.New("no route to host"); Code(err)+Message(err) != "" || Denied(err) || Throttled(err) || Status(err) != 0 || RequestID(err) != "" {
		t.Error("an error of the network is taken for an answer")
	}
}

func TestBriefRepeatsNoRequest(t *testing.T) {
	inner := errors.New("connection refused")
	for want, err := range map[string]error{
		"sts:X answers ExpiredToken":  answered(403, "ExpiredToken"),
		"sts:X: no answer in time":    fmt.Errorf("canceled: %w", context.DeadlineExceeded),
		"sts:X: connection refused":   fmt.Errorf("exceeded maximum number of attempts: %w", &url.Error{Op: "Post", URL: "https://u:secret@host", Err: inner}),
		"sts:X: something else again": errors.New("something else again"),
	} {
		got := Brief("sts:X", err)
		if got.Error() != want || !errors.Is(got, err) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if WithoutURL(inner) != inner {
		t.Error("an error without a URL is changed")
	}
}
