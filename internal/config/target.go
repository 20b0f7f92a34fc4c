package config

import (
	"cmp"
	"errors"
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
	// Name is what people call it: its name in the config file, else the
	// identifier, else the host.
	Name string
	// Near is the target of the config file that Name was probably meant to be,
	// or empty.
	Near string
	// Shared says that it listens on the port of the process, where clients choose
	// by Name.
	Shared bool
	Options

	named     bool  // in the config file
	settings  layer // what won, for each option that anybody set
	portGiven bool  // for this target alone
}

// ownNumber says that the target names the number itself that is its port, and in the
// name of its socket.
func (t Target) ownNumber() bool { return t.portGiven && !t.NoTCP }

// checkListener is an error when the target is to be served nowhere.
func (t Target) checkListener() error {
	if t.NoTCP && t.UnixSocket == SocketNone {
		return problem("target %q: no port and no Unix socket to listen on", t.Name).hinted("leave out one of port none and unix-socket none")
	}
	return nil
}

// Arg is what names the target on a command line.
func (t Target) Arg() string {
	if t.named {
		return t.Name
	}
	return cmp.Or(t.Endpoint, t.Ref)
}

// Says reports whether anybody has set the option.
func (t Target) Says(option string) bool {
	_, said := t.settings[option]
	return said
}

// Named reports whether the config file has the target, and so says which database
// it is.
func (t Target) Named() bool { return t.named }

// CheckWay is an error when nothing says how to reach the database. A database that is
// looked up may turn out to be public, and needs nothing then: NoWay is for those that
// are not.
func (t Target) CheckWay() error {
	if t.Via != "" || t.Ref != "" && t.Near == "" || public(t.Endpoint) {
		return nil
	}
	return t.NoWay()
}

// public reports whether the name of an endpoint says that it is reached over the
// internet: Aurora DSQL's, but for those of PrivateLink.
//
// Source: Aurora DSQL user guide, authentication-token.html and privatelink.html.
func public(endpoint string) bool {
	_, rest, _ := strings.Cut(strings.ToLower(endpoint), ".")
	return strings.HasPrefix(rest, "dsql.")
}

// NoWay is the error of a target without a jump host whose database is not public.
func (t Target) NoWay() error {
	return problem("target %q: no jump host given", t.Name).hinted("%s", t.Hint(
		"add --via i-… with an instance that SSM manages near the database (`pgkeyless list` shows them), --via none if this machine reaches the database itself, or --dial HOST:PORT if you have your own tunnel"))
}

// Hint is what to do about an error of t that may be one of its name: to take
// Near, or else what otherwise says.
func (t Target) Hint(otherwise string) string {
	if t.Near == "" {
		return otherwise
	}
	return "did you mean " + t.Near + ", as in the config file? Otherwise " + otherwise
}

// Settings lists every option of the target with where its value came from, in
// the order of All.
func (t Target) Settings() []Setting {
	list := t.settings.settings(Option.PerTarget)
	for i := range list {
		switch {
		case list[i].Name == "port" && t.NoTCP:
			list[i].Value = PortNone
		case list[i].Name == "port": // counted up, perhaps
			list[i].Value = strconv.Itoa(t.Port)
		case list[i].Name == "dial" && t.Dial == "", list[i].Name == "via" && t.Via == "":
			list[i] = Setting{Name: list[i].Name, Origin: Origin{Source: FromDefault}} // the other one replaced it
		case list[i].Name == "via":
			list[i].Value = t.Via
		}
	}
	return list
}

// parseTarget reads NAME[?OPTION=VALUE[&…]]. A NAME of f means what f says
// of it. What the query string leaves open comes from the layers, the most
// particular one first, then from f, then from the defaults. %XX means a
// byte in a value; a plus sign is a plus sign.
//
// Neither Via nor a free port is enforced here; Load does that.
func parseTarget(arg string, f *file, layers ...layer) (Target, error) {
	name, query, _ := strings.Cut(arg, "?")
	s, ok := f.target(name)
	if !ok {
		near := nearest(strings.ToLower(name), f.names())
		t, err := parseName(name)
		if e, ok := errors.AsType[*Error](err); ok && near != "" {
			err = e.hinted("did you mean %s, as in the config file?", near)
		}
		if err != nil {
			return Target{}, err
		}
		t.Near = near
		s = section{named: t}
	}
	t := s.named
	own, err := parseQuery(t.Name, query)
	if err != nil {
		return Target{}, err
	}
	layers = slices.Concat([]layer{own}, layers, []layer{s.values, f.defaults})
	if err := t.resolve(layers...); err != nil {
		return t, err
	}
	return t, t.checkSecret()
}

// Managed reports whether the master user's password is in a secret that RDS keeps.
func (t Target) Managed() bool { return t.Secret == SecretManaged }

// checkSecret is an error when nobody says whose password the secret has. RDS says it of
// the one that it keeps.
func (t Target) checkSecret() error {
	if t.Secret == "" || t.Secret == SecretManaged || t.User != "" {
		return nil
	}
	return problem("target %q: secret needs user", t.Name).hinted(
		"add user=NAME; clients then log in as this user, whatever they name")
}

// resolve sets the options from layers, the most particular one first, and the
// defaults.
func (t *Target) resolve(layers ...layer) error {
	t.Options, t.settings = defaults(), layer{}
	for _, l := range slices.Backward(layers) {
		if err := t.overlay(l); err != nil {
			return err
		}
	}
	port, which := t.settings["port"], t.settings["endpoint"]
	t.portGiven = port.origin.Source == FromTarget || port.origin.Source == FromFile && !port.shared
	if t.Endpoint != "" && (which.origin.Source == FromTarget || which.origin.Source == FromFile && !which.shared) {
		return problem("%s: a host name is one endpoint already", which.origin.label).hinted(
			"leave the option out, or name the cluster by its identifier or ARN")
	}
	return nil
}

// overlay sets what l has. Of via and dial, which exclude each other unless via
// is none, a more particular one replaces a less particular one.
func (t *Target) overlay(l layer) error {
	for _, opt := range All() {
		v, ok := l[opt.Name]
		if !ok || !opt.PerTarget() {
			continue
		}
		if err := opt.placed(opt.target(&t.Options, v.text), v.origin.label); err != nil {
			return err
		}
		t.settings[opt.Name] = v.replacing(t.settings[opt.Name])
	}
	if err := l.exclusive(); err != nil {
		return err
	}
	via, hasVia := l["via"]
	switch dial, hasDial := l["dial"]; {
	case hasDial:
		t.Via = ViaNone
		t.settings["via"] = setting{text: ViaNone, origin: dial.origin, shared: dial.shared}
	case hasVia && via.text != ViaNone:
		t.Dial = ""
	}
	return nil
}

// replacing is v, with a note of the target's own value in the config file that it
// replaces. The process's flags and variables go before that: one rule for all
// options.
func (v setting) replacing(before setting) setting {
	if v.origin.Source != FromFlag && v.origin.Source != FromVariable {
		return v
	}
	v.over = before.over
	if before.origin.Source == FromFile && !before.shared && before.text != v.text {
		v.over = before.origin.Place
	}
	return v
}

// PortOverridden says which flag or variable has replaced the port that the config
// file gives the target itself; "" for none.
func (t Target) PortOverridden() string {
	if port := t.settings["port"]; port.over != "" {
		return port.origin.Place
	}
	return ""
}

// exclusive refuses a jump host beside a tunnel of one's own.
func (l layer) exclusive() error {
	via, hasVia := l["via"]
	dial, hasDial := l["dial"]
	if hasVia && hasDial && via.text != ViaNone {
		return problem("%s: a dial address and a jump host exclude each other", dial.origin.label).hinted(
			"dial is for your own tunnel; leave out one of the two")
	}
	return nil
}

// parseQuery splits OPTION=VALUE&… into settings by the options' own names.
func parseQuery(target, query string) (layer, error) {
	values := layer{}
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
		values[name] = setting{text: v, origin: targetOrigin(target, name)}
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
