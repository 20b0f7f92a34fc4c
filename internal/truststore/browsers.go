package truststore

import (
	"errors"
	"path/filepath"
)

// databases are where browsers keep certificates, below the home directory: patterns
// for the directories of their NSS databases.
var databases = []string{
	".pki/nssdb/cert9.db", // Chromium and Chrome
	"snap/chromium/current/.pki/nssdb/cert9.db",
	".mozilla/firefox/*/cert9.db",
	"snap/firefox/common/.mozilla/firefox/*/cert9.db",
	".var/app/org.mozilla.firefox/.mozilla/firefox/*/cert9.db",
	"Library/Application Support/Firefox/Profiles/*/cert9.db",
}

// errNoCertutil is a missing program.
var errNoCertutil = errors.New("the program certutil is missing (Debian: libnss3-tools, Fedora: nss-tools, macOS: brew install nss)")

// browsers does something to each database there is. On Windows certutil is another
// program, and browsers can use the system's store.
func (s System) browsers(do func(db string) error) []Outcome {
	if s.OS == "windows" {
		return nil
	}
	var all []Outcome
	for _, pattern := range databases {
		found, _ := filepath.Glob(filepath.Join(s.Home, filepath.FromSlash(pattern)))
		for _, file := range found {
			db := filepath.Dir(file)
			err := errNoCertutil
			if s.Has("certutil") {
				err = do(db)
			}
			all = append(all, Outcome{"the browser's store (" + db + ")", err})
		}
	}
	return all
}
