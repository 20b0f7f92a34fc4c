package proxy

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgkeyless/pgkeyless/internal/display"
)

// Bounds of what Query takes.
const (
	maxProbeRows = 1000
	maxProbeBody = 64 << 20 // bytes of one message
)

// ProbeConn is a logged-in connection. It is for one goroutine.
type ProbeConn struct {
	up         *upstream
	frontend   *pgproto3.Frontend
	parameters map[string]string
	asked      bool
	keyed      bool
	method     string
	signedFor  string
}

// newProbeConn takes over up after the login l; told is what a client has been told
// of that.
func newProbeConn(up *upstream, told []byte, l *login) *ProbeConn {
	c := &ProbeConn{up: up, frontend: pgproto3.NewFrontend(up, up), parameters: map[string]string{}, asked: l.asked, keyed: l.keyed, method: l.method()}
	c.frontend.SetMaxBodyLen(maxProbeBody)
	for m := (messages{buf: told}); m.ready(maxLoginBody); {
		msg, err := m.next(maxLoginBody)
		if err != nil {
			break
		}
		var status pgproto3.ParameterStatus
		if msg[0] == 'S' && status.Decode(msg[headLen:]) == nil {
			c.parameters[status.Name] = display.Line(status.Value)
		}
	}
	return c
}

// Parameter is a setting that the database reported at login, such as server_version,
// or "".
func (c *ProbeConn) Parameter(name string) string { return c.parameters[name] }

// AskedForToken says that the database wanted a clear-text password, which the
// IAM token was.
func (c *ProbeConn) AskedForToken() bool { return c.asked }

// Method is how the database asked for an ordinary password, such as SCRAM-SHA-256-PLUS;
// "" where it did not, as for a token.
func (c *ProbeConn) Method() string { return c.method }

// CancelKey says that the database has sent a key for cancel requests.
func (c *ProbeConn) CancelKey() bool { return c.keyed }

// SignedFor is what the token was signed for if the Route's Alternative made it, else "".
func (c *ProbeConn) SignedFor() string { return c.signedFor }

// Query runs one statement without parameters and returns its rows as text, "" for
// NULL. It waits until the database has answered or ctx ends, after which the
// connection cannot be used any more. An ErrorResponse has an SQLState, Detail and
// Hint.
func (c *ProbeConn) Query(ctx context.Context, sql string) (rows [][]string, err error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	defer interrupt(ctx, c.up.raw)()
	rows, err = c.query(sql)
	if err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return rows, err
}

func (c *ProbeConn) query(sql string) (rows [][]string, err error) {
	c.frontend.Send(&pgproto3.Query{String: sql})
	unsent := c.frontend.Flush() // a database that has gone may have said why
	var said error
	for {
		msg, err := c.frontend.Receive()
		if err != nil {
			if said != nil { // it ended the connection
				return nil, said
			}
			if unsent != nil {
				return nil, fmt.Errorf("sending a query: %w", unsent)
			}
			return nil, fmt.Errorf("reading the answer to a query: %w", err)
		}
		switch msg := msg.(type) {
		case *pgproto3.DataRow:
			if len(rows) == maxProbeRows {
				return nil, errors.New("more rows than asked for")
			}
			row := make([]string, len(msg.Values))
			for i, v := range msg.Values {
				row[i] = string(v)
			}
			rows = append(rows, row)
		case *pgproto3.ErrorResponse:
			said = &refusal{code: msg.Code, message: msg.Message, told: msg.Detail, help: msg.Hint, open: true}
		case *pgproto3.ReadyForQuery:
			return rows, said
		}
	}
}

// Close ends the session at the database and the connection.
func (c *ProbeConn) Close() error {
	c.frontend.Send(&pgproto3.Terminate{})
	_ = c.frontend.Flush() // one that is gone needs no farewell
	return c.up.Close()
}
