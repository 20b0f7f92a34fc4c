//go:build race

package lab

// buildFlags build the binary as the tests were built.
var buildFlags = []string{"-race"}
