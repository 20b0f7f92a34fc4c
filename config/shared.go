package config

import (
	"slices"
	"strings"
)

// share puts the targets that name no port of their own on one port, where
// clients choose by a target's name.
func share(targets []Target, run Run) error {
	if !run.SharedPort {
		if run.DefaultTarget != "" {
			return problem("default-target says nothing without shared-port").hinted("add --shared-port, or leave it out")
		}
		return nil
	}
	var first *Target
	names := []string{}
	for i := range targets {
		t := &targets[i]
		if t.portGiven {
			continue
		}
		t.Shared = true
		if first == nil {
			first = t
		}
		if t.Address != first.Address {
			return problem("targets %q and %q are to share a port, and listen on different addresses", first.Name, t.Name).hinted(
				"give the address once, as --address, or %q a port of its own", t.Name)
		}
		if slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, t.Name) }) {
			return problem("two targets named %q on a shared port", t.Name).hinted(
				"clients choose by name: give them names of their own in a config file, or one of them a port of its own")
		}
		names = append(names, t.Name)
	}
	if run.DefaultTarget != "" && !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, run.DefaultTarget) }) {
		return problem("default-target: no target %q on the shared port", run.DefaultTarget).hinted("name one of %s", strings.Join(names, ", "))
	}
	return nil
}
