// Package signals says which signals end a run, and how.
package signals
