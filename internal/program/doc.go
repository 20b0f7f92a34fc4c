// Package program runs the user's program in the foreground, as connect and exec
// do: signals go on to it, and its end is the run's end.
package program
