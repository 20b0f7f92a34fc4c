package servicefile

import "github.com/pgkeyless/pgkeyless/internal/markedfile"

// Update merges sections into the file at path (see Merge) and reports whether
// that changed it, as markedfile.Update does.
func Update(path string, sections []Section) (changed bool, err error) {
	return markedfile.Update(path, func(old []byte) ([]byte, error) { return Merge(old, sections) })
}
