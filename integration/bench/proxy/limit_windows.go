package main

// openFiles returns n: there is no limit to raise.
func openFiles(n int) int { return n }
