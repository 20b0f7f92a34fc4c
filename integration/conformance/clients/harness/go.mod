module github.com/pgkeyless/pgkeyless/integration/conformance/clients/harness

go 1.26.0
