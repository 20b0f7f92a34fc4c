package config

import "strings"

// Suggest is the name of the option that name was probably meant to be, or
// empty. Case, underscores and leading dashes are forgiven, and so are the
// names that other tools use.
func Suggest(name string) string {
	name = strings.Trim(strings.ToLower(strings.ReplaceAll(name, "_", "-")), "-")
	if c := Canonical(name); c != "" {
		return c
	}
	switch name {
	case "target", "bastion", "jump-host", "instance", "instance-id":
		return "via"
	case "database", "db", "db-name":
		return "dbname"
	case "username", "db-user":
		return "user"
	case "host", "listen":
		return "address"
	case "socket", "unix-socket-path", "socket-dir":
		return "unix-socket"
	case "ca", "cafile", "sslrootcert":
		return "ca-file"
	}
	var candidates []string
	for _, o := range All() {
		candidates = append(append(candidates, o.Name), o.Aliases...)
	}
	return Canonical(nearest(name, candidates))
}

// nearest is the one of candidates that name was probably meant to be, or
// empty.
func nearest(name string, candidates []string) string {
	best, bestDistance := "", 3 // two slips at most
	if len(name) > 100 {
		return ""
	}
	for _, candidate := range candidates {
		// A short name is near everything: a third of it may differ.
		if d := distance(name, candidate); d < bestDistance && d*3 <= len(candidate) {
			best, bestDistance = candidate, d
		}
	}
	return best
}

// distance counts the insertions, deletions, replacements and swaps of
// neighbours that turn a into b.
func distance(a, b string) int {
	var before []int
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
