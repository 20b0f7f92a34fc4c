//go:build !linux

package main

import "github.com/pgkeyless/pgkeyless/integration/rig/lab"

// usageOf sees nothing here.
func usageOf(*lab.Proxy) usage { return usage{} }
