package awsapi

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// maxAnswer bounds what is read of an answer unless its service has a bound of its own. A
// page of a hundred databases or tasks has less than a megabyte.
const maxAnswer = 8 << 20

// Client calls one service in one region. It is safe for concurrent use.
type Client struct {
	service  Service
	cfg      aws.Config
	endpoint endpoint
	retryer  aws.Retryer
	skew     atomic.Int64 // nanoseconds that AWS's clock is ahead of this machine's
}

// New makes a Client of service in cfg's region. It asks nothing: what is wrong with the
// region or the settings of endpoints is an error of the calls.
func New(cfg aws.Config, service Service) *Client {
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = awshttp.NewBuildableClient()
	}
	return &Client{service: service, cfg: cfg, endpoint: service.endpoint(cfg), retryer: retryer(cfg)}
}

// EndpointOverride is the URL that the environment or the shared configuration has in
// place of AWS's own, or "".
func (c *Client) EndpointOverride() string { return c.endpoint.override }

// retryer decides what is worth another try, as for the SDK's clients.
func retryer(cfg aws.Config) (r aws.Retryer) {
	switch {
	case cfg.Retryer != nil:
		r = cfg.Retryer()
	case cfg.RetryMode == aws.RetryModeAdaptive:
		r = retry.NewAdaptiveMode()
	default:
		r = retry.NewStandard()
	}
	if cfg.RetryMaxAttempts > 0 {
		r = retry.AddWithMaxAttempts(r, cfg.RetryMaxAttempts)
	}
	return r
}

// call is one operation.
type call struct {
	operation string
	method    string
	url       url.URL // a path and a query
	header    http.Header
	body      []byte
	refused   func(answer) error         // the error of an answer that is not HTTP 2xx
	decode    func(content []byte) error // of any other
	attempts  int                        // at most; 0: as many as the configuration says
}

// answer is what came back.
type answer struct {
	status  int
	header  http.Header
	content []byte
}

// do calls the service, again if that may help. Errors are *smithy.OperationError, as
// those of the SDK's clients.
func (c *Client) do(ctx context.Context, op call) error {
	ctx = middleware.WithOperationName(middleware.WithServiceID(middleware.ClearStackValues(ctx), c.service.ID), op.operation)
	stack := middleware.NewStack(op.operation, smithyhttp.NewStackRequest)
	err := c.assemble(stack, op)
	if err == nil {
		send := smithyhttp.NewClientHandlerWithOptions(c.cfg.HTTPClient)
		_, _, err = middleware.DecorateHandler(send, stack).Handle(ctx, nil)
	}
	if err != nil {
		return &smithy.OperationError{ServiceID: c.service.ID, OperationName: op.operation, Err: err}
	}
	return nil
}

// write makes the request of op.
func (c *Client) write(to *smithyhttp.Request, op call) (*smithyhttp.Request, error) {
	base, err := c.endpoint.url()
	if err != nil {
		return nil, err
	}
	base.Path += op.url.Path
	base.RawQuery = op.url.RawQuery
	to.Request.Method, to.URL, to.Header = op.method, base, op.header
	to.ContentLength = int64(len(op.body))
	if len(op.body) == 0 {
		return to, nil
	}
	return to.SetStream(bytes.NewReader(op.body))
}

// read decodes the answer to op.
func (c *Client) read(response *smithyhttp.Response, op call) error {
	defer response.Body.Close()
	limit := c.service.maxAnswer()
	content, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if int64(len(content)) > limit {
		return fmt.Errorf("the answer has more than %d bytes", limit)
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return op.refused(answer{response.StatusCode, response.Header, content})
	}
	return op.decode(content)
}
