// Package awsapi calls AWS's services: it makes the requests, and the core of AWS's SDK
// signs, sends and repeats them.
//
// The SDK's modules for these services would do the same, at a price (docs/architecture.md,
// Decisions).
//
// Endpoints, retries, the correction of wrong clocks, request ids and the types of errors
// are those of the SDK's modules, to which integration/conformance/awsapi compares them. Of
// a configuration these have no effect: ClientLogMode, Interceptors, and the timeouts of a
// defaults mode.
//
// Sources: Smithy, "AWS JSON 1.1 protocol", "AWS Query protocol" and "AWS restJson1
// protocol"; the API reference of each service.
package awsapi
