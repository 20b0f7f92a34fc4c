package config

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Target is one database and how to reach it.
type Target struct {
	Endpoint string // HOST[:PORT] as the user typed it
	Name     string // its HOST alone, for people to recognise
	Options

	portGiven bool // by the target's own query string
}

// layer is one source of settings.
type layer struct {
	values map[string]string        // by the option's own name
	source func(name string) string // how errors name the place of a setting
}

// parseTarget reads HOST[:PORT][?OPTION=VALUE[&…]]. What the query string leaves
// open comes from the layers, the most particular one first, then from the
// defaults. %XX stands for a byte in a value; a plus sign is a plus sign.
//
// Neither Via nor a free port is enforced here; Load does that.
func parseTarget(arg string, layers ...layer) (Target, error) {
	endpoint, query, _ := strings.Cut(arg, "?")
	name, err := parseEndpoint(endpoint)
	if err != nil {
		return Target{}, err
	}
	values, err := parseQuery(name, query)
	if err != nil {
		return Target{}, err
	}
	t := Target{Endpoint: endpoint, Name: name, Options: defaults()}
	own := layer{values, func(option string) string { return "target " + strconv.Quote(name) + ": option " + option }}
	_, t.portGiven = values["port"]
	layers = append([]layer{own}, layers...)
	for _, l := range slices.Backward(layers) {
		if err := t.Options.overlay(l); err != nil {
			return Target{}, err
		}
	}
	return t, nil
}

// overlay sets what l has. Of via and dial, which exclude each other unless via
// is none, a more particular one replaces a less particular one.
func (o *Options) overlay(l layer) error {
	for _, opt := range All() {
		v, ok := l.values[opt.Name]
		if !ok || !opt.PerTarget() {
			continue
		}
		if err := opt.placed(opt.target(o, v), l.source(opt.Name)); err != nil {
			return err
		}
	}
	_, via := l.values["via"]
	_, dial := l.values["dial"]
	switch {
	case via && dial && o.Via != ViaNone:
		return problem("%s: a dial address and a jump host exclude each other", l.source("dial")).hinted(
			"dial is for a tunnel of your own; leave out one of the two")
	case dial:
		o.Via = ViaNone
	case via && o.Via != ViaNone:
		o.Dial = ""
	}
	return nil
}

// parseEndpoint checks HOST[:PORT] and returns HOST. It does not repeat what
// may hold a password.
func parseEndpoint(s string) (host string, err error) {
	const form = "a target is the endpoint of a database, HOST[:PORT], for example mydb.abc123.eu-central-1.rds.amazonaws.com:5432"
	if strings.Contains(s, "://") {
		return "", problem("a target is not a URL").hinted(form)
	}
	if at := strings.LastIndexByte(s, '@'); at >= 0 {
		return "", problem("target …%q: a user does not belong here", s[at:]).hinted(
			"give the endpoint alone, and the user with --user or '?user=NAME'")
	}
	host, port, hasPort := strings.Cut(s, ":")
	if host == "" {
		return "", problem("a target without a host name").hinted(form)
	}
	if !isHost(host) || !strings.Contains(strings.TrimSuffix(host, "."), ".") {
		return "", problem("target %q is not the host name of an endpoint", s).hinted(form)
	}
	if n, err := strconv.ParseUint(port, 10, 16); hasPort && (err != nil || n == 0) {
		return "", problem("target %q: %q is not a port number", s, port).hinted(form)
	}
	return host, nil
}

// parseQuery splits OPTION=VALUE&… into values by the options' own names.
func parseQuery(target, query string) (map[string]string, error) {
	values := map[string]string{}
	for pair := range strings.SplitSeq(query, "&") {
		if pair == "" {
			continue
		}
		key, raw, hasValue := strings.Cut(pair, "=")
		name, err := queryOption(target, key)
		if err != nil {
			return nil, err
		}
		if _, twice := values[name]; twice {
			return nil, problem("target %q: option %s is given twice", target, name).hinted("leave out one of them")
		}
		v, err := url.PathUnescape(raw)
		if err != nil || !hasValue {
			return nil, problem("target %q: option %s has no readable value", target, name).hinted(
				"write %s=VALUE; in it, a percent sign is %%25 and an ampersand %%26", name)
		}
		values[name] = v
	}
	return values, nil
}

// queryOption finds the option that key names.
func queryOption(target, key string) (name string, err error) {
	opt, ok := find(key)
	switch {
	case ok && opt.PerTarget():
		return opt.Name, nil
	case ok:
		return "", problem("target %q: option %s is for the whole process", target, opt.Name).hinted("give it as the flag --%s", opt.Name)
	}
	e := problem("target %q: unknown option %q", target, key)
	if s := Suggest(key); s != "" {
		return "", e.hinted("did you mean %s?", s)
	}
	return "", e.hinted("the options are %s", strings.Join(targetOptions(), ", "))
}

func targetOptions() []string {
	var names []string
	for _, o := range All() {
		if o.PerTarget() {
			names = append(names, o.Name)
		}
	}
	return names
}
