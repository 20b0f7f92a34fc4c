package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// list names tests, with a reason for each. A test stands for its parts, too.
type list map[string]string

// parseList reads "SUITE TEST: reason" lines, by suite.
func parseList(text string) (map[string]list, error) {
	all := make(map[string]list)
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, reason, ok := strings.Cut(line, ": ")
		name, test, ok2 := strings.Cut(key, " ")
		if !ok || !ok2 {
			return nil, fmt.Errorf("%q is not SUITE TEST: REASON", line)
		}
		if all[name] == nil {
			all[name] = make(list)
		}
		all[name][test] = reason
	}
	return all, nil
}

// covers tells whether entry is the test named, or one that it is a part of. A
// test of which a part fails fails itself, so an entry for the part stands for
// what is above, too.
func covers(entry, name string) bool {
	return entry == name || strings.HasPrefix(name, entry+"/") || strings.HasPrefix(entry, name+"/")
}

// without are those of names that no entry covers.
func (l list) without(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		for entry := range l {
			if covers(entry, name) {
				return true
			}
		}
		return false
	})
}

// idle are the entries that cover none of names.
func (l list) idle(names []string) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(l)), func(entry string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return covers(entry, name) })
	})
}
