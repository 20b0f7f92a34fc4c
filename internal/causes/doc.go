// Package causes is the one table of what can go wrong between a client and its
// database: SQLSTATE, message, DETAIL and HINT for each cause, before the first
// query or when a connection is lost later.
//
//	auth, discover, tunnel, proxy, cli ── Cause.New(Facts, err) ──► *Error ──► ErrorResponse, log, terminal
//	docs/troubleshooting.md  ◄── Markdown ── All
//
// It is one package of data below all layers, and not rows that each layer
// registers: a cause is often seen by another layer than the one that knows the
// remedy (the SSM API refuses expired credentials, RDS Proxy refuses a start-up
// parameter), wording stays even when the rows stand together, and the page of
// documentation, doctor and the tests read the same rows without a registry.
// Layers say when a cause applies, and wrap the Error with what
// they were doing; what it says comes from here. proxy takes only the rows of
// client.go and database.go: why a database that belongs to AWS refuses a login is
// told to it by its Route.
//
// # Texts
//
// {name} means a fact of that name. A part in brackets is left out when a
// fact in it is not known. Facts are put in as they are and may hold braces.
//
// Rows are values that nobody changes; all functions are safe for concurrent
// use.
package causes

//go:generate go run ./gendoc
