package awsapi

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/smithy-go"
)

// errNotJSON says no more of what came, which may be anything.
var errNotJSON = errors.New("the answer is not the JSON that was asked for")

// JSON calls an operation of a service that speaks AWS JSON 1.1. It sends in and decodes
// the answer to out, which may be nil.
func (c *Client) JSON(ctx context.Context, operation string, in, out any) error {
	return c.json(ctx, operation, in, out, 0)
}

// JSONOnce is JSON without another try.
func (c *Client) JSONOnce(ctx context.Context, operation string, in, out any) error {
	return c.json(ctx, operation, in, out, 1)
}

func (c *Client) json(ctx context.Context, operation string, in, out any, attempts int) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	return c.do(ctx, call{
		operation: operation, method: http.MethodPost, url: url.URL{Path: "/"}, body: body,
		header: http.Header{
			"Content-Type": {"application/x-amz-json-1.1"},
			"X-Amz-Target": {c.service.Target + "." + operation},
		},
		refused: refusedJSON, decode: decodeJSON(out), attempts: attempts,
	})
}

// Get calls an operation of a service that speaks restJson1, and decodes the answer to out.
func (c *Client) Get(ctx context.Context, operation, path string, query url.Values, out any) error {
	encoded := strings.ReplaceAll(query.Encode(), "+", "%20") // as the signer takes it
	return c.do(ctx, call{
		operation: operation, method: http.MethodGet, url: url.URL{Path: path, RawQuery: encoded}, header: http.Header{},
		refused: refusedJSON, decode: decodeJSON(out),
	})
}

func decodeJSON(out any) func([]byte) error {
	return func(content []byte) error {
		into := out
		if into == nil {
			if len(content) == 0 {
				return nil
			}
			into = &struct{}{}
		}
		if json.Unmarshal(content, into) != nil {
			return errNotJSON
		}
		return nil
	}
}

// unknownError is the code of an error that has none, as for the SDK's clients: of a gateway
// or a firewall in front of a service, say.
const unknownError = "UnknownError"

// refusedJSON is the error of an answer. Its code is in a header or in the body, with a
// namespace before it or a URL behind.
//
// Source: Smithy, AWS restJson1 protocol, "Operation error serialization".
func refusedJSON(a answer) error {
	var said struct {
		Type         string `json:"__type"`
		Code         string `json:"code"`
		Message      string `json:"message"`
		MessageUpper string `json:"Message"`
	}
	code := a.header.Get("X-Amzn-ErrorType")
	if json.Unmarshal(a.content, &said) == nil { // else it is from something in between
		code = cmp.Or(code, said.Type, said.Code, unknownError)
	}
	code, _, _ = strings.Cut(code, ":")
	code = code[strings.LastIndexByte(code, '#')+1:]
	return refusal(a, code, cmp.Or(said.Message, said.MessageUpper))
}

// refusal is the error of an answer that says so. Without a code, the answer is from
// something between here and AWS.
func refusal(a answer, code, message string) error {
	if code == "" {
		return fmt.Errorf("the answer is HTTP %d", a.status)
	}
	fault := smithy.FaultClient
	if a.status >= 500 {
		fault = smithy.FaultServer
	}
	return &smithy.GenericAPIError{Code: code, Message: message, Fault: fault}
}

// Time is a moment that a service sends as seconds since 1970, with a fraction or without.
type Time struct{ time.Time }

// UnmarshalJSON implements [json.Unmarshaler].
func (t *Time) UnmarshalJSON(text []byte) error {
	var seconds float64
	if err := json.Unmarshal(text, &seconds); err != nil {
		return err
	}
	if seconds == 0 { // null, too
		return nil
	}
	if math.Abs(seconds) > maxSeconds {
		return errNotJSON
	}
	whole, fraction := math.Modf(seconds)
	t.Time = time.Unix(int64(whole), int64(fraction*float64(time.Second)))
	return nil
}

// maxSeconds is in the year 9999, up to which times can be written.
const maxSeconds = 253402300799
