package tunnel

import (
	"context"
	"errors"
	"net"
	"time"
)

// callStartSession calls StartSession until it succeeds, fails for good, or
// has been tried startTries times.
//
// A call under way is given some time beyond ctx: its session, which otherwise
// nobody knew of, can then be terminated.
func (d *Dialer) callStartSession(ctx context.Context, p place) (SessionOutput, error) {
	host, port, err := net.SplitHostPort(p.address)
	if err != nil {
		return SessionOutput{}, err
	}
	in := StartSessionInput{
		Target:       p.target,
		DocumentName: p.document,
		Parameters:   documentParameters(p.document, host, port),
		Reason:       d.cfg.Reason,
	}
	began := time.Now()
	for try := 1; ; try++ {
		if _, err := d.cfg.Credentials.Retrieve(ctx); err != nil {
			return SessionOutput{}, p.credentialsError(p.starting(), err)
		}
		out, err := d.callOnce(ctx, in)
		if err == nil {
			return out, nil
		}
		delay := jitter(startDelay << (try - 1))
		unanswered := errors.Is(err, context.DeadlineExceeded) // once more would take as long
		if vain(err) || unanswered || try == startTries || time.Since(began)+delay > startRetry || ctx.Err() != nil || faultOf(err) != faultTransient {
			return SessionOutput{}, p.apiError(p.starting(), "ssm:StartSession", err)
		}
		d.log.Debug("StartSession failed, trying again", "address", p.address, "try", try, "delay", delay)
		if err := sleep(ctx, delay); err != nil {
			return SessionOutput{}, p.apiError(p.starting(), "ssm:StartSession", err)
		}
	}
}

// vain says whether err itself knows that asking again gives the same answer, as it
// tells the SDK.
func vain(err error) bool {
	e, ok := errors.AsType[interface {
		error
		RetryableError() bool
	}](err)
	return ok && !e.RetryableError()
}

// callOnce calls StartSession. That time ran out shows in the error.
func (d *Dialer) callOnce(ctx context.Context, in StartSessionInput) (SessionOutput, error) {
	timed, cancel := context.WithTimeout(ctx, startCallTimeout)
	defer cancel()
	lingering, done := linger(timed, flagTimeout)
	defer done()
	out, err := d.cfg.API.StartSession(lingering, in)
	if err != nil && lingering.Err() != nil {
		err = context.Cause(lingering)
	}
	return out, err
}
