package awsapi

import (
	"context"
	"errors"
	"fmt"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// What the SDK's middleware calls the steps that it is placed by.
const (
	stepEndpoint    = "ResolveEndpointV2"
	stepDeserialize = "OperationDeserializer"
)

// assemble fills stack with the steps of op, from the request to the wire and back.
func (c *Client) assemble(stack *middleware.Stack, op call) error {
	return errors.Join(
		stack.Serialize.Add(middleware.SerializeMiddlewareFunc("OperationSerializer", c.serialize(op)), middleware.After),
		awsmiddleware.AddRequestUserAgentMiddleware(stack),
		c.nameApplication(stack),
		stack.Finalize.Add(c.repeat(op.attempts), middleware.After),
		stack.Finalize.Add(middleware.FinalizeMiddlewareFunc(stepEndpoint, pass), middleware.After),
		v4.AddComputePayloadSHA256Middleware(stack),
		stack.Finalize.Add(middleware.FinalizeMiddlewareFunc("Signing", c.sign), middleware.After),
		stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc(stepDeserialize, c.deserialize(op)), middleware.After),
		awsmiddleware.AddRequestIDRetrieverMiddleware(stack),
		awshttp.AddResponseErrorMiddleware(stack),
		awsmiddleware.AddRecordResponseTiming(stack),
		c.configured(stack),
	)
}

// configured adds what the configuration has for every call.
func (c *Client) configured(stack *middleware.Stack) error {
	for _, add := range c.cfg.APIOptions {
		if err := add(stack); err != nil {
			return err
		}
	}
	return nil
}

// nameApplication tells AWS the name that the user has given the application.
func (c *Client) nameApplication(stack *middleware.Stack) error {
	if c.cfg.AppID == "" {
		return nil
	}
	return awsmiddleware.AddSDKAgentKey(awsmiddleware.ApplicationIdentifier, c.cfg.AppID)(stack)
}

// repeat is the step that tries what follows again.
func (c *Client) repeat(attempts int) middleware.FinalizeMiddleware {
	retryer := c.retryer
	if attempts > 0 {
		retryer = retry.AddWithMaxAttempts(retryer, attempts)
	}
	return retry.NewAttemptMiddleware(retryer, smithyhttp.RequestCloner, func(o *retry.Attempt) { o.ClientSkew = &c.skew })
}

func pass(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
	return next.HandleFinalize(ctx, in)
}

func (c *Client) serialize(op call) func(context.Context, middleware.SerializeInput, middleware.SerializeHandler) (middleware.SerializeOutput, middleware.Metadata, error) {
	return func(ctx context.Context, in middleware.SerializeInput, next middleware.SerializeHandler) (middleware.SerializeOutput, middleware.Metadata, error) {
		request, err := c.write(in.Request.(*smithyhttp.Request), op)
		if err != nil {
			return middleware.SerializeOutput{}, middleware.Metadata{}, err
		}
		in.Request = request
		return next.HandleSerialize(ctx, in)
	}
}

// sign signs a request by AWS's clock: that of this machine, corrected by what the last
// answer said.
func (c *Client) sign(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (out middleware.FinalizeOutput, metadata middleware.Metadata, err error) {
	if c.cfg.Credentials == nil {
		return out, metadata, errors.New("no credentials")
	}
	keys, err := c.cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return out, metadata, fmt.Errorf("get identity: %w", err)
	}
	now := time.Now().Add(time.Duration(c.skew.Load()))
	request := in.Request.(*smithyhttp.Request).Request
	if err := v4.NewSigner().SignHTTP(ctx, keys, request, v4.GetPayloadHash(ctx), c.service.signing(), c.endpoint.signingRegion, now); err != nil {
		return out, metadata, fmt.Errorf("signing the request: %w", err)
	}
	out, metadata, err = next.HandleFinalize(awsmiddleware.SetSigningCredentials(ctx, keys), in)
	if skew, known := awsmiddleware.GetAttemptSkew(metadata); known {
		c.skew.Store(int64(skew))
	}
	return out, metadata, err
}

func (c *Client) deserialize(op call) func(context.Context, middleware.DeserializeInput, middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
	return func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleDeserialize(ctx, in)
		if err != nil && c.service.FailsAtOnce {
			err = final{err}
		}
		if err != nil {
			return out, metadata, err
		}
		return out, metadata, c.read(out.RawResponse.(*smithyhttp.Response), op)
	}
}

// final is an error that is not worth another try.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

// RetryableError tells the SDK not to ask again.
func (f final) RetryableError() bool { return false }
