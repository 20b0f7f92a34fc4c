package config

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Target is one database and how to reach it. Of Endpoint and Ref one is set.
type Target struct {
	// Endpoint is HOST[:PORT] as the user typed it, or empty.
	Endpoint string
	// Ref names the database for AWS to look up: an identifier of an RDS
	// instance, cluster or proxy, or an ARN. Otherwise it is empty.
	Ref string
	// Name is what people call it: the identifier, else the host.
	Name string
	// Shared says that it listens on the port of the process, where clients choose
	// by Name.
	Shared bool
	Options

	portGiven bool // by the target's own query string
}

// Arg is what names the target on a command line.
func (t Target) Arg() string { return cmp.Or(t.Endpoint, t.Ref) }

// layer is one source of settings.
type layer struct {
	values map[string]string        // by the option's own name
	source func(name string) string // how errors name the place of a setting
}

// targets are those that options of l name.
func (l layer) targets() []string {
	var names []string
	for _, o := range All() {
		if v, ok := l.values[o.Name]; ok && o.NamesTarget() {
			names = append(names, v)
		}
	}
	return names
}

// parseTarget reads NAME[?OPTION=VALUE[&…]]. What the query string leaves
// open comes from the layers, the most particular one first, then from the
// defaults. %XX stands for a byte in a value; a plus sign is a plus sign.
//
// Neither Via nor a free port is enforced here; Load does that.
func parseTarget(arg string, layers ...layer) (Target, error) {
	named, query, _ := strings.Cut(arg, "?")
	t, err := parseName(named)
	if err != nil {
		return Target{}, err
	}
	values, err := parseQuery(t.Name, query)
	if err != nil {
		return Target{}, err
	}
	t.Options = defaults()
	own := layer{values, func(option string) string { return "target " + strconv.Quote(t.Name) + ": option " + option }}
	_, t.portGiven = values["port"]
	layers = append([]layer{own}, layers...)
	for _, l := range slices.Backward(layers) {
		if err := t.Options.overlay(l); err != nil {
			return Target{}, err
		}
	}
	if _, ok := values["endpoint"]; ok && t.Endpoint != "" {
		return Target{}, problem("%s: a host name is one endpoint already", own.source("endpoint")).hinted(
			"leave the option out, or name the cluster by its identifier or ARN")
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
		if o, _ := find(name); !hasValue && o.Switch() {
			v, hasValue = "true", true
		}
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
	case ok && opt.NamesTarget():
		return "", problem("target %q: %s names a target of its own", target, opt.Name).hinted("leave it out of the query string")
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
