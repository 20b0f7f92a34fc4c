package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/config"
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
			say(r.Name + meaningOf(r) + guardsInWords(r) + ":")
		case len(front.routes) > 1:
			say(r.Name + ":")
		}
		say("  " + p.psql)
		say("  " + p.url)
		say("  " + p.jdbc)
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
	for _, r := range front.routes {
		for _, l := range r.Listen {
			address := l.Addr().String()
			lines = append(lines, listeningLine{fmt.Sprintf("Listening on %s for %s%s%s", address, r.Name, meaningOf(r), guardsInWords(r)), address, r.Name})
		}
	}
	return lines
}

func tell(ctx context.Context, w io.Writer, log *slog.Logger, run config.Run, lines []listeningLine) {
	for _, l := range lines {
		saying(ctx, w, log, run, l.text, slog.String("address", l.address), slog.String("route", l.routes))
	}
}

// meaningOf tells which endpoint the name of r stands for, if it had to be looked
// up: ", which is HOST".
func meaningOf(r proxy.Route) string {
	switch {
	case r.Resolve == nil:
		return ""
	case r.TLS == nil:
		return ", not looked up yet"
	}
	return ", which is " + r.TLS().ServerName
}

// paste holds the ways to name one listener to a client. No sslmode is needed:
// clients may use TLS or not.
type paste struct{ psql, url, jdbc string }

// What stands for a user and a database that only the client knows. Capitals
// need no quotes in a shell and no escape in a URL.
const (
	someUser     = "USER"
	someDatabase = "DBNAME"
)

// shown is where clients of target i connect, with words to replace where only
// they know who they are. A database that is not known is left out when the user
// is: PostgreSQL takes the user's name.
func (f front) shown(i int) place {
	r, a := f.routes[i], f.address(i)
	p := place{reachable(a.AddrPort().Addr()), a.Port, r.User, r.Database}
	if p.user == "" {
		p.user = someUser
		if p.database == "" {
			p.database = someDatabase
		}
	}
	if f.targets[i].Shared {
		p = onShared(f.targets[i].Name, p)
	}
	return p
}

// pasteFor writes p down.
func pasteFor(p place) paste {
	host, port, user, database := p.host, p.port, p.user, p.database
	hostPort := net.JoinHostPort(host, strconv.Itoa(port))
	psql := fmt.Sprintf("psql -h %s -p %d -U %s", host, port, shellWord(user))
	if database != "" {
		psql += " " + shellWord(database)
	}
	// The JDBC driver reads a plus sign as a space in the path too.
	jdbc := "jdbc:postgresql://" + hostPort + "/" + url.QueryEscape(database) + "?user=" + url.QueryEscape(user)
	return paste{psql, p.url(nil), jdbc}
}

// reachable is the address at which a client on this machine finds a listener.
func reachable(a netip.Addr) string {
	a = a.Unmap()
	switch a {
	case netip.IPv4Unspecified(), netip.IPv6Unspecified():
		return "127.0.0.1" // Go listens to both families on [::]
	}
	return a.String()
}

// shellWord quotes s for a POSIX shell when it needs to be.
func shellWord(s string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+:,./-"
	if s != "" && !strings.HasPrefix(s, "-") && strings.Trim(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
