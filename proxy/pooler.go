package proxy

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/display"
)

// Pooler is a server in front of the database that takes less at a login than PostgreSQL
// does: version 3.0 of the protocol, few start-up parameters, and a password only when it
// has asked for one. What it does not take the proxy does in its place, so that clients
// need no settings for it.
type Pooler struct {
	// Name is how people call it, in errors and in the log.
	Name string
	// Parameters are the run-time parameters that it takes in a StartupMessage, as it
	// spells them. It takes user, database and replication too.
	Parameters []string
	// Others says what becomes of the other parameters of a client. Those of
	// Route.Settings are set after the login in any case.
	Others Others
}

// Others is what becomes of start-up parameters that a Pooler does not take.
type Others int

// The zero value loses nothing that the client has asked for.
const (
	SetOthers    Others = iota // after the login, before the client gets ReadyForQuery
	DropOthers                 // the log names them
	RefuseOthers               // with an error, before anything is sent to the server
)

const (
	// oldestProtocol is version 3.0.
	oldestProtocol = 3 << 16
	// protocolOption is what the name of a protocol option begins with.
	protocolOption = "_pq_."
	// mostNamed is how many parameters an error or a line of the log names.
	mostNamed = 16
)

// opening is how a login begins.
type opening struct {
	message    startupMessage // for the server
	settings   []param        // to be set when it has logged in, in this order
	dropped    []string       // names of what is left out
	negotiated []byte         // for the client, ahead of AuthenticationOk; may be nil
}

// opening makes that of m, which rewrite has made. The error is the client's.
func (r *Route) opening(m startupMessage) (opening, error) {
	if r.Pooler == nil {
		return opening{message: m}, nil
	}
	o := opening{message: startupMessage{version: oldestProtocol}}
	var options string
	var rest []param
	var unknown []string // protocol options
	for _, p := range m.params {
		switch {
		case strings.HasPrefix(p.name, protocolOption):
			unknown = append(unknown, p.name)
		case p.name == "options":
			options = p.value // as everywhere, the last one counts
		case p.name == "user", p.name == "database", p.name == "replication":
			o.message.params = keep(o.message.params, p)
		default:
			rest = append(rest, p)
		}
	}
	if m.version > oldestProtocol || len(unknown) > 0 {
		o.negotiated = negotiation(unknown)
	}
	early, err := parseOptions(options)
	switch {
	case err != nil && r.Pooler.Others == DropOthers:
		o.dropped = []string{"options"}
	case err != nil:
		return opening{}, err
	}
	for _, p := range early {
		r.Pooler.place(&o, p, false)
	}
	for _, p := range rest { // of one name, they count more than what options says
		r.Pooler.place(&o, p, slices.ContainsFunc(r.Settings, func(s Setting) bool { return strings.EqualFold(s.Name, p.name) }))
	}
	if r.Pooler.Others == RefuseOthers && len(o.dropped) > 0 {
		return opening{}, causes.SettingsRefused.New(causes.Facts{"server": r.Pooler.Name, "parameters": parameterNames(o.dropped)}, nil)
	}
	return o, nil
}

// place puts a run-time parameter where it belongs. own says that it is the Route's.
func (p *Pooler) place(o *opening, set param, own bool) {
	if i := slices.IndexFunc(p.Parameters, func(name string) bool { return strings.EqualFold(name, set.name) }); i >= 0 {
		o.message.params = keep(o.message.params, param{p.Parameters[i], set.value})
		return
	}
	switch {
	case own || p.Others == SetOthers:
		o.settings = append(o.settings, set)
	default:
		o.dropped = append(o.dropped, set.name)
	}
}

// keep returns params with p, in place of one of its name.
func keep(params []param, p param) []param {
	if i := slices.IndexFunc(params, func(other param) bool { return other.name == p.name }); i >= 0 {
		params[i] = p
		return params
	}
	return append(params, p)
}

// parameterNames are names for people, each once. Values are not for people.
func parameterNames(names []string) string {
	seen := map[string]bool{}
	var once []string
	for _, name := range names {
		if folded := strings.ToLower(name); !seen[folded] {
			seen[folded] = true
			once = append(once, name)
		}
	}
	return display.Line(display.Few(once, mostNamed))
}

// setNames names what is set after the login.
func (o opening) setNames() string {
	names := make([]string, len(o.settings))
	for i, p := range o.settings {
		names[i] = p.name
	}
	return parameterNames(names)
}

// negotiation says that the proxy speaks version 3.0, and none of the protocol options
// unknown.
//
// Source: PostgreSQL 18 docs, protocol-message-formats.html; SendNegotiateProtocolVersion
// in its backend_startup.c.
func negotiation(unknown []string) []byte {
	b := binary.BigEndian.AppendUint32([]byte{'v', 0, 0, 0, 0}, oldestProtocol)
	b = binary.BigEndian.AppendUint32(b, uint32(len(unknown)))
	for _, name := range unknown {
		b = append(append(b, name...), 0)
	}
	binary.BigEndian.PutUint32(b[1:], uint32(len(b)-1))
	return b
}

// settingsAtOnce are set by one statement. PostgreSQL takes 1,664 columns.
const settingsAtOnce = 1000

// settingStatement is one that sets run-time parameters to what they would be if a
// StartupMessage had named them. SET does not: it takes the value of a list, such as
// search_path, for its only element.
//
// Source: postgres: set_config_by_name and flatten_set_variable_args in
// src/backend/utils/misc/guc_funcs.c.
func settingStatement(settings []param) string {
	var b strings.Builder
	b.WriteString("SELECT ")
	for i, p := range settings {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("pg_catalog.set_config(" + literal(p.name) + ", " + literal(p.value) + ", false)")
	}
	return b.String()
}

// literal is text as a string of SQL, whatever standard_conforming_strings is.
func literal(text string) string {
	quoted := "'" + strings.ReplaceAll(text, "'", "''") + "'"
	if strings.Contains(text, `\`) {
		return " E" + strings.ReplaceAll(quoted, `\`, `\\`)
	}
	return quoted
}

// setLater has the server set what the opening has left, and returns what the client is
// told of that: parameters that have changed, notices, and ReadyForQuery.
func (l *login) setLater(ctx context.Context) (told []byte, err error) {
	var news, ready []byte
	for some := range slices.Chunk(l.opening.settings, settingsAtOnce) {
		packet, err := (&pgproto3.Query{String: settingStatement(some)}).Encode(nil)
		if err != nil {
			return nil, err
		}
		l.write(packet)
		if ready, err = l.answerToSetting(ctx, &news); err != nil {
			return nil, err
		}
	}
	return append(news, ready...), nil
}

// answerToSetting reads up to ReadyForQuery, which it returns.
func (l *login) answerToSetting(ctx context.Context, news *[]byte) (ready []byte, err error) {
	for {
		msg, err := l.in.next(maxLoginBody)
		if err != nil {
			return nil, l.lost(err)
		}
		switch msg[0] {
		case 'T', 'D', 'C': // RowDescription, DataRow, CommandComplete
		case 'S', 'N': // ParameterStatus, NoticeResponse
			if len(*news)+len(msg) > maxLoginBody {
				return nil, l.garbled("says too much about start-up parameters that are set after the login")
			}
			*news = append(*news, msg...)
		case 'E':
			return nil, l.settingRefused(ctx, msg[headLen:])
		case 'Z':
			return slices.Clone(msg), nil
		default:
			return nil, l.garbled("sent another message than an answer to setting start-up parameters")
		}
	}
}

// aboutSettings are the classes of SQLSTATE of parameters that cannot be set, or not so.
//
// Source: PostgreSQL 18 docs, errcodes-appendix.html.
var aboutSettings = []string{"22", "25", "42", "55"}

// settingRefused is the ErrorResponse to a setting. To the client it ends the login, as
// PostgreSQL ends it for the same parameter in a StartupMessage.
func (l *login) settingRefused(ctx context.Context, body []byte) error {
	err := l.refused(body)
	said, ok := errors.AsType[*refusal](err)
	if !ok {
		return err
	}
	said.late, said.fields = true, fatal(said.fields)
	own := slices.ContainsFunc(aboutSettings, func(class string) bool { return strings.HasPrefix(said.code, class) })
	if !own && l.route.Refusals != nil { // the first statement of a session may have to wait for a connection, say
		if l.asking != nil {
			l.asking()
		}
		said.learn(ctx, l.route.Refusals)
	}
	if said.cause == "" {
		told := causes.SettingFailed.Fill(causes.Facts{"server": l.route.Pooler.Name, "parameters": l.opening.setNames()})
		said.cause, said.detail, said.hint = causes.SettingFailed.Name, told.Detail, told.Hint
	}
	return said
}

// fatal is the fields of an ErrorResponse with the severity of one that ends the session.
func fatal(fields []byte) []byte {
	var out []byte
	for len(fields) > 0 {
		kind := fields[0]
		value, rest, _ := bytes.Cut(fields[1:], []byte{0})
		if kind == 'S' || kind == 'V' {
			value = []byte("FATAL")
		}
		out = append(append(append(out, kind), value...), 0)
		fields = rest
	}
	return out
}
