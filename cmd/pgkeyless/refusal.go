package main

import (
	"context"

	"github.com/pgkeyless/pgkeyless/auth"
	"github.com/pgkeyless/pgkeyless/config"
	"github.com/pgkeyless/pgkeyless/proxy"
)

// explainer tells the proxy what auth knows of refused logins.
type explainer struct{ refusals *auth.Refusals }

func (e explainer) Passing(r proxy.Refusal) bool { return auth.Refused(r).Passing() }

func (e explainer) Explain(ctx context.Context, r proxy.Refusal) proxy.Explanation {
	cause, told, ok := e.refusals.Explain(ctx, auth.Refused(r))
	if !ok {
		return proxy.Explanation{}
	}
	return proxy.Explanation{Cause: cause.Name, Message: told.Message, Detail: told.Detail, Hint: told.Hint}
}

// refusals explains refused logins at t's database.
func (l login) refusals(t config.Target) *auth.Refusals {
	r := &auth.Refusals{
		Name:          t.Name,
		Endpoint:      l.endpoint,
		RegionGuessed: l.regionGuessed,
		WhoAmI:        func(ctx context.Context) (auth.Caller, error) { return auth.WhoAmI(ctx, l.aws) },
	}
	if t.Via != config.ViaNone {
		r.JumpHost = t.Via
	}
	return r
}
