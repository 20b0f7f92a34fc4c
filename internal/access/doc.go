// Package access finds out who a client is.
package access
