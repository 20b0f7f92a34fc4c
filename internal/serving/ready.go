package serving

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"strconv"

	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/running"
	"github.com/pgkeyless/pgkeyless/internal/shell"
	"github.com/pgkeyless/pgkeyless/internal/targets"
	"github.com/pgkeyless/pgkeyless/proxy"
)

// announce tells where to connect: a line for each listener, the ready line,
// then lines to paste. With structured logs each line is a record; with quiet
// there is none.
func announce(ctx context.Context, w io.Writer, log *slog.Logger, run config.Run, front front) {
	tell(ctx, w, log, run, listening(front))
	say := func(line string, attrs ...slog.Attr) { saying(ctx, w, log, run, line, attrs...) }
	say("pgkeyless is ready for new connections")
	for i, r := range front.routes {
		p := pasteFor(front.shown(i))
		if run.StructuredLogs {
			say("connect with", slog.String("route", r.Name), slog.String("psql", p.psql), slog.String("url", p.url), slog.String("jdbc", p.jdbc))
			continue
		}
		switch {
		case front.targets[i].Shared:
			say(r.Name + targets.MeaningOf(r) + targets.GuardsInWords(r) + directly(front.targets[i], r) + ":")
		case len(front.routes) > 1:
			say(r.Name + ":")
		}
		say("  " + p.psql)
		say("  " + p.url)
		if p.jdbc != "" {
			say("  " + p.jdbc)
		}
	}
}

func saying(ctx context.Context, w io.Writer, log *slog.Logger, run config.Run, line string, attrs ...slog.Attr) {
	switch {
	case run.Quiet:
	case run.StructuredLogs:
		log.LogAttrs(ctx, slog.LevelInfo, line, attrs...)
	default:
		fmt.Fprintln(w, line)
	}
}

// listeningLine says where one listener is, and who is served there.
type listeningLine struct{ text, address, routes string }

func listening(front front) []listeningLine {
	var lines []listeningLine
	for _, l := range front.shared {
		address, names := l.Addr().String(), sharedNames(front.targets)
		lines = append(lines, listeningLine{fmt.Sprintf("Listening on %s for %s", address, names), address, names})
	}
	for i, r := range front.routes {
		for _, l := range r.Listen {
			address := l.Addr().String()
			lines = append(lines, listeningLine{fmt.Sprintf("Listening on %s for %s%s%s%s", address, r.Name, targets.MeaningOf(r), targets.GuardsInWords(r), directly(front.targets[i], r)), address, r.Name})
		}
	}
	return lines
}

// directly says so of a target that was found to be public: it names no jump host.
func directly(t config.Target, r proxy.Route) string {
	if t.Via != "" || r.Address == "" {
		return ""
	}
	return ", public: pgkeyless connects directly"
}

func tell(ctx context.Context, w io.Writer, log *slog.Logger, run config.Run, lines []listeningLine) {
	for _, l := range lines {
		saying(ctx, w, log, run, l.text, slog.String("address", l.address), slog.String("route", l.routes))
	}
}

// paste holds the ways to name one listener to a client. No sslmode is needed:
// clients may use TLS or not.
type paste struct{ psql, url, jdbc string }

// Placeholders for a user and a database that only the client knows. Capitals
// need no quotes in a shell and no escape in a URL.
const (
	someUser     = "USER"
	someDatabase = "DBNAME"
)

// shown is where clients of target i connect, with words to replace where only
// they know who they are. A database that is not known is left out when the user
// is: PostgreSQL takes the user's name.
func (f front) shown(i int) running.Place {
	r, a := f.routes[i], f.address(i)
	p := running.Place{User: targets.UsualUser(f.targets[i], r), Database: r.Database}
	onShared := f.targets[i].Shared
	if f.headed && cmp.Or(f.socket(i), socketAmong(f.shared)) != "" {
		a = nil
	}
	if a != nil {
		p.Host, p.Port = running.Reachable(a.AddrPort().Addr()), a.Port
	} else if own := f.socket(i); own != "" {
		p.Host, p.Port = socketPlace(own)
		onShared = false
	} else {
		p.Host, p.Port = socketPlace(socketAmong(f.shared))
	}
	if p.User == "" {
		p.User = someUser
		if p.Database == "" {
			p.Database = someDatabase
		}
	}
	if onShared {
		p = running.OnShared(f.targets[i].Name, p)
	}
	return p
}

// pasteFor writes p down.
func pasteFor(p running.Place) paste {
	host, port, user, database := p.Host, p.Port, p.User, p.Database
	hostPort := net.JoinHostPort(host, strconv.Itoa(port))
	psql := fmt.Sprintf("psql -h %s -p %d -U %s", shell.Word(host), port, shell.Word(user))
	if database != "" {
		psql += " " + shell.Word(database)
	}
	if filepath.IsAbs(host) { // the JDBC driver knows no Unix sockets
		return paste{psql, p.URL(nil), ""}
	}
	// The JDBC driver reads a plus sign as a space in the path too.
	jdbc := "jdbc:postgresql://" + hostPort + "/" + url.QueryEscape(database) + "?user=" + url.QueryEscape(user)
	return paste{psql, p.URL(nil), jdbc}
}
