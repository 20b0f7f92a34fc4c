// Package reference writes the pages of docs/reference from the code that they
// describe.
//
//	cli.Tree, config.All, doctor.Stages ── Pages ──► gen ──► docs/reference/*.md
//
// The man pages come from the same tree: see integration/manpages, which keeps
// their library out of the product's go.mod.
package reference

//go:generate go run ./gen
//go:generate go run -C ../../integration ./manpages
