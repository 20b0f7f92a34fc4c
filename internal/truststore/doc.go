// Package truststore puts a CA's certificate into the trust stores of a system and
// of the user's browsers, and takes it out again, by the programs that the stores'
// owners provide for it.
package truststore
