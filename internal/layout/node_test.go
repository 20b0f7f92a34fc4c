package layout

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// debianNode is the Node.js of Debian bookworm, which scripts/install-deps installs.
var debianNode = [3]int{18, 20, 4}

// TestPackagesRunOnDebiansNode reads what every package that is locked for the tests says
// of Node.js. npm alone would warn, and the program would end later.
func TestPackagesRunOnDebiansNode(t *testing.T) {
	locks := 0
	err := filepath.WalkDir("../../integration", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Name() != "package-lock.json" {
			if entry != nil && entry.Name() == "node_modules" {
				return filepath.SkipDir
			}
			return err
		}
		locks++
		if rc := read(t, filepath.Join(filepath.Dir(path), ".npmrc")); !strings.Contains(rc, "engine-strict=true\n") {
			t.Errorf("%s: npm would only warn of a Node.js that is too old: .npmrc lacks engine-strict=true", filepath.Dir(path))
		}
		var lock struct {
			Packages map[string]struct {
				Version string
				Engines json.RawMessage // old packages have a list of words there, which npm ignores
			}
		}
		if err := json.Unmarshal([]byte(read(t, path)), &lock); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for name, p := range lock.Packages {
			var engines struct{ Node string }
			json.Unmarshal(p.Engines, &engines)
			if name == "" && engines.Node == "" {
				t.Errorf("%s does not say which Node.js it takes", path)
			}
			if ok, err := accepts(engines.Node, debianNode); err != nil || !ok {
				t.Errorf("%s: %s %s wants Node.js %s, and Debian has %v (%v): pin an older one, and see .github/dependabot.yml", path, name, p.Version, engines.Node, debianNode, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if locks < 8 {
		t.Errorf("%d lock files, want 8 at least", locks)
	}
	for text, want := range map[string]bool{">=18": true, ">= 18.18.0": true, "^18.20 || >=20": true, "16 || 14 >=14.17 || >=18": true, "18.x": true, "*": true, "": true,
		">=20": false, "^20.19 || ^22.12 || >=24.0": false, ">=18.20.5": false, "14 || 16": false, ">=14 <18": false, "^18.21": false} {
		if got, err := accepts(text, debianNode); err != nil || got != want {
			t.Errorf("%q takes Node.js %v: %v, %v; want %v", text, debianNode, got, err, want)
		}
	}
}

var comparator = regexp.MustCompile(`^(>=|<|\^)?(\d+)(?:\.(\d+|x|\*))?(?:\.(\d+|x|\*))?$`)

// accepts reports whether a range of npm's takes a version. It knows the forms that
// packages use for Node.js.
//
// Source: docs.npmjs.com/cli/configuring-npm/package-json#engines.
func accepts(text string, version [3]int) (bool, error) {
	any := false
	for part := range strings.SplitSeq(text, "||") {
		all := true
		for word := range strings.FieldsSeq(regexp.MustCompile(`(>=|<|\^)\s+`).ReplaceAllString(part, "$1")) {
			if word == "*" {
				continue
			}
			m := comparator.FindStringSubmatch(word)
			if m == nil {
				return false, fmt.Errorf("cannot read %q", word)
			}
			all = all && holds(m[1], m[2:], version)
		}
		any = any || all
	}
	return any, nil
}

// holds reports whether version is in what one comparator takes.
func holds(operator string, numbers []string, version [3]int) bool {
	for i, text := range numbers {
		n, err := strconv.Atoi(text)
		if err != nil { // x, * or nothing: any
			return operator != "<"
		}
		if n == version[i] {
			continue
		}
		switch {
		case operator == "<":
			return version[i] < n
		case operator == ">=", operator == "^" && i > 0:
			return version[i] > n
		}
		return false
	}
	return operator != "<"
}
