//go:build !race

package lab

// buildFlags build the binary as the tests were built.
var buildFlags []string

// Race says whether tests, and so the binary, run with the race detector.
const Race = false
