package tunnel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/awserror"
	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/secret"
)

const (
	// resumePatience is how long a session is tried to be resumed that has no
	// websocket, or only such as break before the agent has spoken. The service keeps
	// it until its idle timeout, 20 minutes by default; the official client gives up
	// after 3 to 6 s, its users' top complaint.
	resumePatience = 15 * time.Minute

	resumeDelay    = 50 * time.Millisecond // before the second try, doubling: what the agent sends meanwhile may be lost
	resumeMaxDelay = 5 * time.Second

	// credentialsDelay is the pace while AWS credentials are missing. Asking for
	// them may open a browser (credential_process), so not too often.
	credentialsDelay = 30 * time.Second

	// resumeCallTimeout bounds one ResumeSession call: on a network that swallows
	// packets the next one has better chances.
	resumeCallTimeout = 15 * time.Second

	// refusalLimit is how many upgrades in a row may be answered 4xx, each
	// with a fresh token and signature, before that is taken for the last word.
	refusalLimit = 3

	// settled is how long a websocket must have lived to count as working. One
	// that dies sooner prolongs the outage, so that a service that accepts and
	// drops is not hammered. For one in full use less is enough: whatever the agent
	// sends while nobody is there may be lost, and takes it long to repair.
	settled         = 5 * time.Second
	settledInUse    = time.Second
	messagesOfInUse = 100
)

// errSessionOver: the service has ended the session and cannot resume it.
var errSessionOver = errors.New("the SSM session is over")

// errPresigned: the stream URL carries a signature of its own, which served
// once.
var errPresigned = errors.New("not possible with a presigned stream URL")

// outage is the time without a working websocket.
type outage struct {
	since    time.Time
	tries    int
	refusals int           // upgrades answered 4xx in a row
	next     time.Duration // until the next try
	warned   fault         // the last kind of trouble that was logged
	resumed  bool          // there was a websocket, which did not last
}

// resume tries to get a new token and websocket until that succeeds, is known
// to be hopeless, or has taken resumePatience. After a websocket that worked
// (the service recycles it every hour) the first try comes at once.
func (l *line) resume(ctx context.Context) (*socket, error) {
	op := "resuming SSM session " + l.session
	l.place.carried = true
	if u, err := url.Parse(l.url); err != nil || presigned(u) {
		return nil, l.place.ended(op, errPresigned)
	}
	if l.outage.since.IsZero() || l.last.worked() {
		l.outage = outage{since: time.Now()}
		l.tell()
	}
	for {
		if err := sleep(ctx, l.outage.next); err != nil {
			return nil, err
		}
		l.outage.tries++
		l.outage.next = jitter(min(resumeMaxDelay, resumeDelay<<min(l.outage.tries-1, 10)))
		s, kind, err := l.tryResume(ctx, op)
		switch {
		case err == nil:
			l.resumed()
			return s, nil
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case kind == faultFinal || kind == faultGone, kind == faultCredentials && causes.Final(err):
			return nil, err
		case time.Since(l.outage.since) >= resumePatience:
			return nil, gaveUp(time.Since(l.outage.since), err)
		case kind == faultCredentials:
			l.outage.next = jitter(credentialsDelay)
		}
		l.warn(kind, err)
	}
}

// tell logs the beginning of an outage. What the service does every hour is no
// reason to worry.
func (l *line) tell() {
	if err, recycled := l.last.loss(); recycled {
		l.log.Info("ssm websocket closed by the service, resuming the session")
	} else {
		l.log.Warn("ssm websocket lost, resuming the session", "error", awserror.WithoutURL(err))
	}
}

// resumed logs that there is a websocket again. The next ones of the same outage,
// when it breaks before it has worked, are no news.
func (l *line) resumed() {
	level := slog.LevelInfo
	if l.outage.resumed {
		level = slog.LevelDebug
	}
	l.outage.resumed = true
	l.log.Log(context.Background(), level, "ssm session resumed", "tries", l.outage.tries, "ms", time.Since(l.outage.since).Milliseconds())
}

// worked reports whether the socket brought messages and lasted.
func (s *socket) worked() bool {
	messages, lived := s.messages.Load(), time.Since(s.opened)
	return messages > 0 && lived >= settled || messages >= messagesOfInUse && lived >= settledInUse
}

// warn logs the first trouble of its kind in an outage.
func (l *line) warn(kind fault, err error) {
	if l.outage.warned == kind {
		l.log.Debug("ssm session not resumed yet", "error", err, "next", l.outage.next)
		return
	}
	l.outage.warned = kind
	l.log.Warn("ssm session not resumed yet, still trying", "error", err, "hint", causes.Hint(err))
}

// tryResume is one try: credentials, ResumeSession, websocket.
func (l *line) tryResume(ctx context.Context, op string) (*socket, fault, error) {
	if _, err := l.websockets.credentials.Retrieve(ctx); err != nil {
		return nil, faultCredentials, l.place.credentialsError(op, err)
	}
	out, err := l.callResume(ctx)
	switch {
	case err != nil && faultOf(err) == faultGone:
		return nil, faultGone, l.place.sessionError(fmt.Errorf("%w: %w", errSessionOver, err))
	case err != nil:
		worded := l.place.apiError(op, resumeAction, err)
		l.denials.warn(l.log, "ssm session not resumed: this identity may not", worded)
		return nil, faultOf(err), worded
	case out.TokenValue == "":
		return nil, faultGone, l.place.sessionError(errSessionOver)
	}
	l.token = secret.New(out.TokenValue)
	if out.StreamURL != "" {
		l.url = out.StreamURL
	}
	s, err := l.dial(ctx)
	if err == nil {
		return s, 0, nil
	}
	return nil, l.dialFault(err), l.place.dialError(op, err)
}

// callResume calls ResumeSession once.
func (l *line) callResume(ctx context.Context) (SessionOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, resumeCallTimeout)
	defer cancel()
	return l.api.ResumeSession(ctx, l.session)
}

// dialFault sorts the errors of a websocket dial with a fresh token.
func (l *line) dialFault(err error) fault {
	if _, ok := errors.AsType[*urlError](err); ok {
		return faultFinal
	}
	if _, ok := errors.AsType[*credentialsFailure](err); ok {
		return faultCredentials
	}
	refused, ok := errors.AsType[*upgradeError](err)
	if !ok || refused.Status < 400 || refused.Status >= 500 {
		l.outage.refusals = 0
		return faultTransient
	}
	if l.outage.refusals++; l.outage.refusals >= refusalLimit {
		return faultFinal
	}
	return faultTransient
}
