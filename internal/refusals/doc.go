// Package refusals explains why a database refuses a login: by the database's own
// words, and by what AWS says of the identity, the clock and the database.
package refusals
