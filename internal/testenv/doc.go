// Package testenv gives tests an environment of their own: no AWS settings of this
// machine, static keys, private directories.
package testenv
