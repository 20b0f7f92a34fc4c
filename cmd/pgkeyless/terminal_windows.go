package main

// hasTerminal: SIGHUP comes on Windows when the console is closed, and then only.
func hasTerminal() bool { return false }
