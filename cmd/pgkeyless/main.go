// Command pgkeyless lets PostgreSQL clients reach private Amazon RDS and Aurora
// databases on localhost, without a password. Package cli is the program.
package main

import "github.com/pgkeyless/pgkeyless/internal/cli"

// version is set when a release is built: -ldflags "-X main.version=v1.2.3".
var version string

func main() { cli.Main(version) }
