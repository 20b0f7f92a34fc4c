// Package service holds the tests of several pgkeyless as one service: replicas behind
// HAProxy, each on a host of its own.
//
//	300 clients ─► HAProxy ─┬─► pgkeyless ─┐
//	 certificates  leastconn ├─► pgkeyless ─┼─► PostgreSQL
//	               PROXY v2  └─► pgkeyless ─┘
//
// It has no other code. `go test ./e2e/service -full` takes the whole size, and measures.
package service
