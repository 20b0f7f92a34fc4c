package config

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
)

// Config is everything a run needs to know.
type Config struct {
	Targets []Target // in the order given, at least one
	Run     Run
	// RunSettings tells where Run came from, in the order of All.
	RunSettings []Setting
	// Users are what clients with an identity may do; without any, whatever they ask for.
	Users []User
}

// Input is where settings come from.
type Input struct {
	// Targets are the positional arguments: names of the config file, or what
	// else names a database. Without any, and without a flag that names one,
	// PGKEYLESS_TARGET_0, _1 and so on are taken, then all of the config file's.
	Targets []string
	// Flags are the flags given, by the option's own name (see Canonical).
	Flags map[string]string
	// Environ is the environment as os.Environ returns it.
	Environ []string
	// Places is where a config file is looked for when neither a flag nor a
	// variable names one. The zero value: nowhere.
	Places Places
}

// Load reads the settings for serving: every target has a way to its database
// and a port that no other target has.
func Load(in Input) (Config, error) {
	cfg, err := in.load()
	if err != nil {
		return Config{}, err
	}
	for _, t := range cfg.Targets {
		if err := t.CheckWay(); err != nil {
			return Config{}, err
		}
	}
	if err := cfg.CheckUsers(); err != nil {
		return Config{}, err
	}
	return cfg, cfg.arrange()
}

// LoadServed is Load for targets that may be served already: one that lacks a
// way to its database is no error here, but of CheckWay.
func LoadServed(in Input) (Config, error) {
	cfg, err := in.load()
	if err != nil {
		return Config{}, err
	}
	return cfg, cfg.arrange()
}

// arrange settles which port each target gets.
func (c *Config) arrange() error {
	names, err := share(c.Targets, c.Run)
	if err != nil {
		return err
	}
	if err := c.Run.checkDefault(names); err != nil {
		err.Source = c.place("default-target")
		return err
	}
	return assignPorts(c.Targets)
}

// place is where an option of the process stood, for an error.
func (c *Config) place(option string) string {
	for _, s := range c.RunSettings {
		if s.Name == option {
			return s.Origin.label
		}
	}
	return ""
}

// LoadAny reads the settings of the targets as far as they are given, for
// telling them: they may lack a way to their database, and no target at all is
// no error.
func LoadAny(in Input) (Config, error) {
	l, err := in.layers()
	if err != nil {
		return Config{}, err
	}
	cfg, err := in.loadFrom(l)
	if errors.Is(err, ErrNoTarget) {
		return l.config(), nil
	}
	if err != nil {
		return Config{}, err
	}
	return cfg, cfg.arrange()
}

// LoadOne reads the settings for a command about one target that opens no
// connection: the target may lack a way to its database.
func LoadOne(in Input) (Target, Run, error) {
	cfg, err := in.load()
	if err != nil {
		return Target{}, Run{}, err
	}
	if len(cfg.Targets) > 1 {
		return Target{}, Run{}, problem("%d targets given, but the command takes one", len(cfg.Targets)).hinted("name one target")
	}
	return cfg.Targets[0], cfg.Run, nil
}

// LoadRun reads the settings of the process alone, for what must be known
// before or without targets. Beside an error it returns what flags and
// environment say, as far as they can be read.
func LoadRun(in Input) (Run, error) {
	l, err := in.layers()
	return l.run, err
}

// Names lists the targets of the config file, or nothing when it cannot be
// read.
func Names(in Input) []string {
	l, err := in.layers()
	if err != nil {
		return nil
	}
	return l.file.names()
}

func (in Input) load() (Config, error) {
	l, err := in.layers()
	if err != nil {
		return Config{}, err
	}
	return in.loadFrom(l)
}

func (in Input) loadFrom(l layers) (Config, error) {
	args, err := in.targets(l)
	if err != nil {
		return Config{}, err
	}
	cfg := l.config()
	for _, arg := range args {
		t, err := parseTarget(arg, l.file, l.flags, l.environment)
		if err != nil {
			return Config{}, err
		}
		cfg.Targets = append(cfg.Targets, t)
	}
	return cfg, nil
}

// ErrNoTarget is an *Error when nothing names a target.
var ErrNoTarget = errors.New("no target given")

// targets are the positional arguments and those that flags name; without any,
// those of the environment, then those of the file.
func (in Input) targets(l layers) ([]string, error) {
	if args := append(slices.Clone(in.Targets), l.flags.targets()...); len(args) > 0 {
		return args, nil
	}
	args, err := environmentTargets(in.Environ)
	if err != nil {
		return nil, err
	}
	if args = append(args, l.environment.targets()...); len(args) > 0 {
		return args, nil
	}
	if names := l.file.names(); len(names) > 0 {
		return names, nil
	}
	e := problem("%v", ErrNoTarget).hinted(
		"name a database: pgkeyless orders-prod --via i-…, or by its endpoint: pgkeyless mydb.abc123.eu-central-1.rds.amazonaws.com --via i-…")
	e.kind = ErrNoTarget
	return nil, e
}

// layers is what the sources say, and the settings of the process.
type layers struct {
	flags, environment layer
	file               *file
	run                Run
	settings           layer // what won for run
}

func (l layers) config() Config {
	return Config{Users: l.file.users, Run: l.run, RunSettings: l.settings.settings(func(o Option) bool { return o.run != nil })}
}

// layers reads flags, environment and the config file.
func (in Input) layers() (l layers, err error) {
	l = layers{flags: flagLayer(in.Flags), file: &file{}, run: defaultRun(), settings: layer{}}
	if l.environment, err = environmentLayer(in.Environ); err != nil {
		return l, err
	}
	named := cmp.Or(l.flags["config-file"].text, l.environment["config-file"].text)
	var fileErr error
	if l.file, fileErr = readFile(named, in.Places); fileErr != nil {
		l.file = &file{}
	}
	for _, from := range []layer{l.file.run, l.environment, l.flags} {
		if err := l.overlay(from); err != nil {
			return l, err
		}
	}
	if fileErr != nil {
		return l, fileErr
	}
	l.run.ConfigFile = l.file.path
	if _, named := l.settings["config-file"]; !named && l.file.path != "" {
		l.settings["config-file"] = setting{text: l.file.path, origin: Origin{Source: FromDefault, Place: "found"}}
	}
	if l.run.LocalPassword && l.run.Auth == AuthNone {
		l.run.Auth = AuthLocal
	}
	return l, l.run.check()
}

// overlay sets what from has.
func (l *layers) overlay(from layer) error {
	for _, opt := range All() {
		v, ok := from[opt.Name]
		if !ok || opt.run == nil {
			continue
		}
		if err := opt.placed(opt.run(&l.run, v.text), v.origin.label); err != nil {
			return err
		}
		l.settings[opt.Name] = v
	}
	return nil
}

// check refuses settings that contradict each other.
func (r *Run) check() error {
	if r.Quiet && r.DebugLogs {
		return problem("quiet and debug-logs exclude each other").hinted("leave out one of the two")
	}
	if (r.HealthCheck || r.Prometheus || r.StatusPage) && (r.Debug || r.QuitQuitQuit) && r.HTTPPort == r.AdminPort && r.HTTPPort != 0 {
		return problem("http-port and admin-port are both %d", r.HTTPPort).hinted("choose another port for one of them")
	}
	if err := r.checkAuth(); err != nil {
		return err
	}
	if r.MaxSigtermDelay < r.MinSigtermDelay {
		return problem("max-sigterm-delay (%v) is shorter than min-sigterm-delay (%v)", r.MaxSigtermDelay, r.MinSigtermDelay).hinted(
			"both count from the signal; give a longer --max-sigterm-delay")
	}
	return nil
}

// checkAuth refuses a way to prove who a client is that lacks something.
func (r *Run) checkAuth() error {
	switch {
	case r.LocalPassword && r.Auth != AuthLocal:
		return problem("local-password and auth=%s exclude each other", r.Auth).hinted("leave out one of the two")
	case r.Auth == AuthSCRAM && r.AuthFile == "":
		return problem("auth is scram, but there is no auth-file").hinted("name one with --auth-file; `pgkeyless password NAME` makes its lines")
	case r.Auth == AuthCert && r.ClientCAFile == "":
		return problem("auth is cert, but there is no client-ca-file").hinted("name the CA of the clients with --client-ca-file")
	case r.Kubernetes.JWKSFile != "" && r.Kubernetes.Issuer == "":
		return problem("kubernetes-jwks-file has keys, and no kubernetes-issuer says whose they are").hinted("name it with --kubernetes-issuer; `kubectl get --raw /.well-known/openid-configuration` shows it")
	case r.Auth == AuthKubernetes && r.Kubernetes.Issuer != "" && (r.Kubernetes.Server != "" || r.Kubernetes.TokenFile != ""):
		return problem("kubernetes-issuer and kubernetes-server exclude each other").hinted("leave out one: tokens are verified by the issuer's keys, or reviewed by the API server")
	case r.Peers != "" && r.ForwardCancels:
		return problem("peers and forward-cancels exclude each other").hinted("leave out one: peers asks the other replicas, forward-cancels the database")
	case r.ProxyProtocol && r.Auth == AuthNone && !r.AllowAnyone:
		return problem("anyone who reaches the load balancer would be logged in without a password: proxy-protocol is on, and clients prove nothing").hinted(
			"have clients prove who they are (--auth scram, cert or kubernetes, or --local-password), or let anyone in with --allow-anyone")
	case (r.TLSCert == "") != (r.TLSKey == ""):
		return problem("tls-cert and tls-key must be set together").hinted("name both files")
	}
	return nil
}

// assignPorts counts ports up from the first target's over targets that neither
// share one nor name their own, past ports that others name. Two targets may share a port on
// different addresses, if their Unix sockets differ.
func assignPorts(targets []Target) error {
	named := map[int]bool{}
	for _, t := range targets {
		if t.ownNumber() || t.Shared {
			named[t.Port] = true
		}
	}
	used := 0 // the last port counted
	for i := range targets {
		t := &targets[i]
		if t.ownNumber() || t.Shared || t.Port == 0 {
			continue
		}
		next := max(t.Port, used+1) // t.Port is the base, the same for all
		for named[next] {
			next++
		}
		if next > 65535 {
			return problem("target %q: no port left above %d", t.Name, t.Port).hinted("start lower with --port")
		}
		t.Port, used = next, next
	}
	for i := range targets {
		if err := targets[i].checkListener(); err != nil {
			return err
		}
		for j := range i {
			if err := collide(targets[j], targets[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func collide(a, b Target) error {
	switch {
	case a.Port != b.Port || a.Port == 0 || a.Shared && b.Shared:
		return nil
	case !a.NoTCP && !b.NoTCP && overlap(a.Options, b.Options):
		return problem("targets %q and %q both want port %d", a.Name, b.Name, b.Port).hinted(
			"set another port in the query string of one of them: '%s?port=%d&…'", b.Arg(), b.Port%65535+1)
	case a.UnixSocket == b.UnixSocket && a.UnixSocket != SocketNone:
		return problem("targets %q and %q both want the Unix socket .s.PGSQL.%s in one directory", a.Name, b.Name, strconv.Itoa(b.Port)).hinted(
			"set another directory or none in the query string of one of them: '%s?unix-socket=none&…'", b.Arg())
	}
	return nil
}
