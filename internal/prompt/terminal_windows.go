package prompt

// HasTerminal: SIGHUP comes on Windows when the console is closed, and then only.
func HasTerminal() bool { return false }
