// Package markedfile keeps lines of pgkeyless's own between two marks in a text file
// of the user's, and everything outside of them byte for byte.
//
//	[theirs]               ← kept
//	# pgkeyless: begin …   ← from here
//	ours
//	# pgkeyless: end       ← to here is replaced
//
// The file appears whole or not at all, and a symbolic link stays one.
package markedfile
