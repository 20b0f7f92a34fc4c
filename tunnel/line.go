package tunnel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/iampolicy"
	"github.com/pgkeyless/pgkeyless/internal/secret"
	"github.com/pgkeyless/pgkeyless/tunnel/datachannel"
)

// line is where a session's data channel gets its websockets from: the first
// with the token of StartSession, every other by ResumeSession. It is used by
// one goroutine, that of datachannel.Conn.Run.
type line struct {
	session    string
	place      place
	api        API
	websockets *websocketDialer
	log        *slog.Logger
	denials    *denials

	url      string      // StreamUrl, as returned
	token    secret.Text // of the next connection, used once
	clientID string
	opened   func()  // is called when the first is open
	last     *socket // nil before that
	outage   outage
}

// connect opens the next websocket. An error is final, and has its words unless
// ctx has ended.
func (l *line) connect(ctx context.Context) (datachannel.Transport, error) {
	next := l.resume
	if l.last == nil {
		next = l.first
	}
	s, err := next(ctx)
	if err != nil {
		return nil, err
	}
	l.last = s
	return s, nil
}

// first opens the first websocket.
func (l *line) first(ctx context.Context) (*socket, error) {
	s, err := l.dial(ctx)
	if err != nil {
		return nil, l.place.dialError(l.place.starting(), err)
	}
	l.opened()
	return s, nil
}

// dial opens a websocket with the token at hand.
func (l *line) dial(ctx context.Context) (*socket, error) {
	token := l.token
	l.token = secret.Text{}
	return l.websockets.dial(ctx, l.url, openMessage{token: token, clientID: l.clientID, clientVersion: clientVersion})
}

// dialError words the error of a websocket dial.
func (p place) dialError(op string, err error) *causes.Error {
	if failure, ok := errors.AsType[*credentialsFailure](err); ok {
		return p.credentialsError(op, failure.err)
	}
	facts := p.facts().With(causes.Facts{"doing": op})
	if _, ok := errors.AsType[*urlError](err); ok {
		return p.row(causes.StreamURLRefused).New(facts, err)
	}
	refused, ok := errors.AsType[*upgradeError](err)
	if !ok {
		return p.networkError(op, "the session's websocket endpoint (ssmmessages) in "+p.region, "websocket to ssmmessages", err)
	}
	facts["said"] = fmt.Sprintf("%d %s", refused.Status, http.StatusText(refused.Status))
	row := causes.ChannelRefused
	switch {
	case refused.Status == http.StatusUnauthorized || refused.Status == http.StatusForbidden:
		facts["statement"] = iampolicy.Lines(iampolicy.OpenDataChannel())
		if refused.Clock.Wrong() {
			facts["clock"] = refused.Clock.Off()
		}
		row = causes.ChannelDenied
	case refused.Status >= 500:
		row = causes.ChannelFault
	}
	return p.row(row).New(facts, err)
}
