module github.com/pgkeyless/pgkeyless/integration/clients/harness

go 1.26.0
