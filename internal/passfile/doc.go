// Package passfile keeps the local password, and lines by which libpq finds it, between
// two marks in the file from which libpq takes passwords.
//
//	# pgkeyless: begin …
//	# local password: MZXW6YTBOI…          the password itself, for who serves by it
//	localhost:5432:*:*:MZXW6YTBOI…         a line for each name of a listener
//	127.0.0.1:5432:*:*:MZXW6YTBOI…
//	\:\:1:5432:*:*:MZXW6YTBOI…
//	# pgkeyless: end
//	db.example.com:5432:*:ada:theirs       kept
//
// The first line that fits counts, so the marks are put before everything else; where
// they are already, they stay. The password stays, too, when nothing is served: it is the
// same at the next start, and for several processes of one user.
package passfile
