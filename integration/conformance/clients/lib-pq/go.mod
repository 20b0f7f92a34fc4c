module github.com/pgkeyless/pgkeyless/integration/conformance/clients/lib-pq

go 1.26.0

require (
	github.com/lib/pq v1.12.3
	github.com/pgkeyless/pgkeyless/integration/conformance/clients/harness v0.0.0
)

replace github.com/pgkeyless/pgkeyless/integration/conformance/clients/harness => ../harness
