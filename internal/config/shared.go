package config

import (
	"slices"
	"strings"
)

// share puts the targets that name no port of their own on one port, where
// clients choose by a target's name. It returns those names.
func share(targets []Target, run Run) (names []string, err error) {
	if !run.SharedPort {
		return nil, nil
	}
	var first *Target
	for i := range targets {
		t := &targets[i]
		if t.portGiven {
			continue
		}
		t.Shared = true
		if first == nil {
			first = t
		}
		if !slices.Equal(t.Addresses(), first.Addresses()) {
			return nil, problem("targets %q and %q share a port, but listen on different addresses", first.Name, t.Name).hinted(
				"give the address once, as --address, or %q a port of its own", t.Name)
		}
		if slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, t.Name) }) {
			return nil, problem("two targets named %q on a shared port", t.Name).hinted(
				"clients choose by name: give them names of their own in a config file, or one of them a port of its own")
		}
		names = append(names, t.Name)
	}
	return names, nil
}

// checkDefault refuses a default target that is none of names, those on the
// shared port.
func (r *Run) checkDefault(names []string) *Error {
	switch name := r.DefaultTarget; {
	case name == "", slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) }):
		return nil
	case !r.SharedPort:
		return problem("has no effect without shared-port").hinted("add --shared-port, or leave it out")
	case len(names) == 0:
		return problem("no target %q on the shared port: all have ports of their own", name).hinted("leave it out, or the target's port")
	default:
		e := problem("no target %q on the shared port", name).hinted("name one of %s", strings.Join(names, ", "))
		if near := nearest(name, names); near != "" {
			e.hinted("did you mean %s?", near)
		}
		return e
	}
}
