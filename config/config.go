package config

import (
	"net/netip"
	"slices"
	"strconv"
	"time"
)

// Config is everything a run needs to know.
type Config struct {
	Targets []Target // in the order given, at least one
	Run     Run
}

// Input is where settings come from.
type Input struct {
	// Targets are the positional arguments. Without any, PGKEYLESS_TARGET_0, _1
	// and so on are taken.
	Targets []string
	// Flags are the flags given, by the option's own name (see Canonical).
	Flags map[string]string
	// Environ is the environment as os.Environ returns it.
	Environ []string
}

// Load reads the settings for serving: every target has a way to its database
// and a port that no other target has.
func Load(in Input) (Config, error) {
	cfg, err := in.load()
	if err != nil {
		return Config{}, err
	}
	for _, t := range cfg.Targets {
		if t.Via == "" {
			return Config{}, problem("target %q: no jump host given", t.Name).hinted(
				"add --via i-… with an instance that SSM manages near the database, --via none if this machine reaches the database itself, or --dial HOST:PORT if a tunnel of your own does")
		}
	}
	if err := share(cfg.Targets, cfg.Run); err != nil {
		return Config{}, err
	}
	if err := assignPorts(cfg.Targets); err != nil {
		return Config{}, err
	}
	return cfg, nil
}

// LoadOne reads the settings for a command about one target that opens no
// connection: the target may lack a way to its database.
func LoadOne(in Input) (Target, Run, error) {
	cfg, err := in.load()
	if err != nil {
		return Target{}, Run{}, err
	}
	if len(cfg.Targets) > 1 {
		return Target{}, Run{}, problem("%d targets where one is wanted", len(cfg.Targets)).hinted("name one target")
	}
	return cfg.Targets[0], cfg.Run, nil
}

// LoadRun reads the settings of the process alone, for what must be known
// before or without targets.
func LoadRun(in Input) (Run, error) {
	_, run, err := in.layers()
	return run, err
}

func (in Input) load() (Config, error) {
	layers, run, err := in.layers()
	if err != nil {
		return Config{}, err
	}
	args, err := in.targets(layers)
	if err != nil {
		return Config{}, err
	}
	cfg := Config{Run: run}
	for _, arg := range args {
		t, err := parseTarget(arg, layers...)
		if err != nil {
			return Config{}, err
		}
		cfg.Targets = append(cfg.Targets, t)
	}
	return cfg, nil
}

// targets are the positional arguments and those that flags name; without any,
// those of the environment.
func (in Input) targets(layers []layer) ([]string, error) {
	flags, environment := layers[0], layers[1]
	if args := append(slices.Clone(in.Targets), flags.targets()...); len(args) > 0 {
		return args, nil
	}
	args, err := environmentTargets(in.Environ)
	if err != nil {
		return nil, err
	}
	if args = append(args, environment.targets()...); len(args) > 0 {
		return args, nil
	}
	return nil, problem("no target given").hinted(
		"name a database: pgkeyless orders-prod --via i-…, or by its endpoint: pgkeyless mydb.abc123.eu-central-1.rds.amazonaws.com --via i-…")
}

// layers reads flags and environment, the more particular first, and from them
// the settings of the process.
func (in Input) layers() ([]layer, Run, error) {
	environment, err := environmentLayer(in.Environ)
	if err != nil {
		return nil, Run{}, err
	}
	flags := layer{in.Flags, func(name string) string { return "--" + name }}
	layers := []layer{flags, environment}
	run := Run{MaxSigtermDelay: 30 * time.Second}
	for _, l := range slices.Backward(layers) {
		if err := run.overlay(l); err != nil {
			return nil, Run{}, err
		}
	}
	if err := run.check(); err != nil {
		return nil, Run{}, err
	}
	return layers, run, nil
}

// overlay sets what l has.
func (r *Run) overlay(l layer) error {
	for _, opt := range All() {
		v, ok := l.values[opt.Name]
		if !ok || opt.run == nil {
			continue
		}
		if err := opt.placed(opt.run(r, v), l.source(opt.Name)); err != nil {
			return err
		}
	}
	return nil
}

// check refuses settings that contradict each other.
func (r *Run) check() error {
	if r.Quiet && r.DebugLogs {
		return problem("quiet and debug-logs exclude each other").hinted("leave out one of the two")
	}
	if r.MaxSigtermDelay < r.MinSigtermDelay {
		return problem("max-sigterm-delay (%v) is shorter than min-sigterm-delay (%v)", r.MaxSigtermDelay, r.MinSigtermDelay).hinted(
			"both count from the signal; give a longer --max-sigterm-delay")
	}
	return nil
}

// assignPorts counts ports up from the first target's over targets that neither
// share one nor name their own, past ports that others name. Two targets may share a port on
// different addresses, if their Unix sockets differ.
func assignPorts(targets []Target) error {
	named := map[int]bool{}
	for _, t := range targets {
		if t.portGiven || t.Shared {
			named[t.Port] = true
		}
	}
	used := 0 // the last port counted
	for i := range targets {
		t := &targets[i]
		if t.portGiven || t.Shared || t.Port == 0 {
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
	case a.Address == b.Address || isWildcard(a.Address) || isWildcard(b.Address):
		return problem("targets %q and %q both want port %d", a.Name, b.Name, b.Port).hinted(
			"set another port in the query string of one of them: '%s?port=%d&…'", b.Name, b.Port%65535+1)
	case a.UnixSocket == b.UnixSocket && a.UnixSocket != SocketNone:
		return problem("targets %q and %q both want the Unix socket .s.PGSQL.%s in one directory", a.Name, b.Name, strconv.Itoa(b.Port)).hinted(
			"set another directory or none in the query string of one of them: '%s?unix-socket=none&…'", b.Name)
	}
	return nil
}

func isWildcard(address string) bool {
	a, err := netip.ParseAddr(address)
	return err == nil && a.IsUnspecified()
}
