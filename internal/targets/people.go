package targets

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/credentials"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/proxy"
	"github.com/pgkeyless/pgkeyless/tunnel"
)

// personAway is how long a person's credentials and Dialers are kept after the last
// login, when none of their SSM sessions is left: longer than any login takes.
const personAway = 2 * time.Hour

// personKey is a role that is assumed for a person, with the credentials of a profile.
type personKey struct {
	profile, region string
	credentials.Assumed
}

// person is what the logins of one person share. Wiring.mu guards used.
type person struct {
	aws  aws.Config
	used time.Time
}

// RoleSession is the ARN of a role as it is assumed for a person.
func RoleSession(role, identity string) string {
	return credentials.Assumed{Role: role, Person: identity}.ARN()
}

// person returns what there is of a, with cfg as what assumes it, and lets go of those
// who have been away for long.
func (w *Wiring) person(profile string, cfg aws.Config, a credentials.Assumed, now time.Time) aws.Config {
	w.mu.Lock()
	key := personKey{profile, cfg.Region, a}
	p := w.people[key]
	var left []*tunnel.Dialer
	var secrets []*held
	if p == nil {
		left, secrets = w.letGo(now)
		p = &person{aws: credentials.Assume(cfg, a)}
		w.people[key] = p
	}
	p.used = now
	w.mu.Unlock()
	for _, d := range left { // without sessions: at once
		if err := d.Close(context.Background()); err != nil {
			w.log.Debug("ending the tunnel of a person who has left", "error", display.Line(err.Error()))
		}
	}
	for _, h := range secrets {
		h.Load().Close()
	}
	return p.aws
}

// letGo takes out those who have been away for long, and returns their Dialers, which
// have no session, and their secrets: the caller closes both. w.mu is held.
func (w *Wiring) letGo(now time.Time) (left []*tunnel.Dialer, secrets []*held) {
	for key, p := range w.people {
		if now.Sub(p.used) < personAway {
			continue
		}
		own := map[tunnelKey]*tunnel.Dialer{}
		open := 0
		for at, d := range w.tunnels {
			if at.person == key {
				own[at] = d
				open += len(d.Snapshot())
			}
		}
		if open > 0 {
			continue
		}
		for at, d := range own {
			w.past = w.past.Plus(d.Totals())
			delete(w.tunnels, at)
			left = append(left, d)
		}
		delete(w.people, key)
		for of, h := range w.secrets {
			if of.person == key {
				secrets = append(secrets, h)
				delete(w.secrets, of)
			}
		}
	}
	return left, secrets
}

// routeAs is the way to t's database, which is l's, with a role that is assumed for a
// person.
func (w *Wiring) routeAs(t config.Target, l Login, a credentials.Assumed) (proxy.Route, error) {
	cfg := w.person(t.Profile, l.AWS, a, time.Now())
	own, err := loginAt(l.Endpoint, cfg, t)
	if err != nil {
		return proxy.Route{}, err
	}
	own.regionGuessed, own.Database, own.asks = l.regionGuessed, l.Database, l.asks
	own.describes, own.switchover = l.describes, l.switchover
	own.person = personKey{t.Profile, l.AWS.Region, a}
	return w.wired(t, own)
}
