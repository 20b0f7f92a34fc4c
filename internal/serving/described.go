package serving

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/netip"

	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/status"
	"github.com/pgkeyless/pgkeyless/internal/targets"
)

// described is what a status document says of the targets of f, as far as it stays so
// while they are served.
func described(f front) []status.Target {
	all := make([]status.Target, len(f.targets))
	for i, t := range f.targets {
		r, paste := f.routes[i], pasteFor(f.shown(i))
		d := status.Target{
			Name: r.Name, Endpoint: t.Endpoint, Ref: t.Ref, Region: t.Region, Profile: t.Profile, Via: cmp.Or(t.Via, config.ViaNone),
			Listen: f.addresses(i), Shared: t.Shared, Psql: paste.psql, URL: paste.url, JDBC: paste.jdbc,
		}
		if t.Dial != "" {
			d.Via = "dial " + t.Dial
		}
		for _, l := range r.Listen {
			if l.Addr().Network() == "unix" {
				d.Socket = l.Addr().String()
			}
		}
		for _, set := range r.Settings {
			d.Guards = append(d.Guards, set.Name+"="+set.Value)
		}
		all[i] = d
	}
	return all
}

// warnings are what works and may surprise, for the status document.
func warnings(run config.Run, f front) []status.Warning {
	var all []status.Warning
	for _, w := range targets.StaleEnvironment(f.targets) {
		all = append(all, status.Warning{Text: w, Hint: "use a profile that can renew its credentials"})
	}
	for i, t := range f.targets {
		if a := f.beyond(i); a != nil && run.Auth == config.AuthNone {
			all = append(all, status.Warning{
				Text: fmt.Sprintf("anyone who reaches %s is logged in to %s without a password", a, t.Name),
				Hint: "listen on localhost, which is for this machine only",
			})
		}
	}
	return all
}

// web is where HTTP is served. *admin.Admin is one.
type web interface {
	HTTPAddress() netip.AddrPort
	Page() string // "" where there is none
}

// browserHint is for people who look with a browser at a port where a database is
// served.
func browserHint(at web) string {
	if page := at.Page(); page != "" {
		return "The status page of this pgkeyless is at " + page
	}
	return "pgkeyless can serve a status page for browsers: start it with --status-page."
}

// tellHTTP says where the status page is, or probes and metrics.
func tellHTTP(ctx context.Context, w io.Writer, log *slog.Logger, run config.Run, at web) {
	address := at.HTTPAddress()
	if !address.IsValid() {
		return
	}
	base := "http://" + address.String()
	if address.Addr().IsLoopback() {
		base = fmt.Sprintf("http://localhost:%d", address.Port())
	}
	for _, part := range []struct {
		on         bool
		what, path string
	}{{run.StatusPage, "Status page", "/"}, {run.HealthCheck, "Probes", "/readiness"}, {run.Prometheus, "Metrics", "/metrics"}} {
		if part.on {
			saying(ctx, w, log, run, part.what+": "+base+part.path, slog.String("url", base+part.path))
		}
	}
}
