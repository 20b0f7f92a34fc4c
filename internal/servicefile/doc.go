// Package servicefile keeps sections of libpq's connection service file between
// two marker lines, and everything outside of them byte for byte.
//
//	[theirs]                      ← kept
//	host=db.example.com
//	# pgkeyless: begin …          ← from here
//	[orders]
//	host=127.0.0.1
//	# pgkeyless: end              ← to here is replaced
package servicefile
