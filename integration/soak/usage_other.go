//go:build !linux

package main

import "github.com/pgkeyless/pgkeyless/integration/lab"

// usageOf sees nothing here.
func usageOf(*lab.Proxy) usage { return usage{} }
