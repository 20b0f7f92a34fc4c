// Package fresh holds the test of the package for Debian: in a Debian that has nothing
// else, it is installed as the README says, and takes somebody from `pgkeyless init` to
// psql. It has no other code.
//
// The test takes a package, root, and Debian's servers. So it is there with the build
// tag fresh only, which scripts/test gives it after it has built the package.
package fresh
