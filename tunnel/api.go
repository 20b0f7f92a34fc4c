package tunnel

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pgkeyless/pgkeyless/internal/awsapi"
	"github.com/pgkeyless/pgkeyless/internal/awsapi/ssm"
)

// API is the part of Systems Manager that a tunnel needs. NewAPI makes one. Its methods
// are called concurrently. Errors that AWS answers are a smithy.APIError.
//
// Source: AWS Systems Manager API reference, StartSession, ResumeSession and
// TerminateSession.
type API interface {
	StartSession(ctx context.Context, in StartSessionInput) (SessionOutput, error)
	// ResumeSession asks once, whatever comes: the tunnel has a pace of its own.
	ResumeSession(ctx context.Context, sessionID string) (SessionOutput, error)
	TerminateSession(ctx context.Context, sessionID string) error
}

// StartSessionInput says which session to start.
type StartSessionInput struct {
	Target       string // the managed node
	DocumentName string
	Parameters   map[string][]string // of the document
	Reason       string              `json:",omitempty"` // for the session history
}

// SessionOutput is a session as its client needs it. Where there is no token, it is over.
type SessionOutput struct {
	SessionID  string `json:"SessionId"`
	StreamURL  string `json:"StreamUrl"` // of the websocket
	TokenValue string // opens the data channel: a secret
}

// SSM is Systems Manager in one region. It is safe for concurrent use.
type SSM struct{ api *awsapi.Client }

// NewAPI makes an API that asks Systems Manager in cfg's region, with cfg's credentials,
// HTTP client and retries.
func NewAPI(cfg aws.Config) SSM { return SSM{awsapi.New(cfg, ssm.Service)} }

// EndpointOverride is the URL that the environment or the shared configuration has in
// place of AWS's own, or "".
func (s SSM) EndpointOverride() string { return s.api.EndpointOverride() }

// StartSession implements [API].
func (s SSM) StartSession(ctx context.Context, in StartSessionInput) (out SessionOutput, err error) {
	err = s.api.JSON(ctx, "StartSession", in, &out)
	return out, err
}

type sessionID struct {
	SessionID string `json:"SessionId"`
}

// ResumeSession implements [API].
func (s SSM) ResumeSession(ctx context.Context, id string) (out SessionOutput, err error) {
	err = s.api.JSONOnce(ctx, "ResumeSession", sessionID{id}, &out)
	return out, err
}

// TerminateSession implements [API].
func (s SSM) TerminateSession(ctx context.Context, id string) error {
	return s.api.JSON(ctx, "TerminateSession", sessionID{id}, nil)
}

// explainedAPI is API with its errors explained.
type explainedAPI struct {
	API
	explain func(error) error
}

func (a explainedAPI) StartSession(ctx context.Context, in StartSessionInput) (SessionOutput, error) {
	out, err := a.API.StartSession(ctx, in)
	return out, a.explain(err)
}

func (a explainedAPI) ResumeSession(ctx context.Context, id string) (SessionOutput, error) {
	out, err := a.API.ResumeSession(ctx, id)
	return out, a.explain(err)
}

func (a explainedAPI) TerminateSession(ctx context.Context, id string) error {
	return a.explain(a.API.TerminateSession(ctx, id))
}
