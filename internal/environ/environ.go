// Package environ reads an environment that is handed on as os.Environ returns it,
// so that what a command does can be tested with another one.
package environ

import "strings"

// LookUp returns the last value of name in environ, which is the one that counts,
// or "".
func LookUp(environ []string, name string) string {
	value := ""
	for _, entry := range environ {
		if v, ok := strings.CutPrefix(entry, name+"="); ok {
			value = v
		}
	}
	return value
}

// Without returns environ without the variables named.
func Without(environ []string, names []string) []string {
	drop := map[string]bool{}
	for _, name := range names {
		drop[name] = true
	}
	var kept []string
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if !drop[name] {
			kept = append(kept, entry)
		}
	}
	return kept
}
