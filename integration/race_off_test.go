//go:build !race

package integration

// buildFlags build the binary as the tests were built.
var buildFlags []string
