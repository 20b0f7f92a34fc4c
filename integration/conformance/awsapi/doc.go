// Package awsapi compares pgkeyless's calls of AWS's APIs with those of the SDK's modules,
// which pgkeyless no longer uses. The services are Systems Manager, Secrets Manager, IAM,
// CloudWatch, RDS, Auto Scaling and ECS.
//
//   - Requests: method, URL, content type, target, body, session token, and the region and
//     service of the signature. They are compared in a region of each partition, with and
//     without FIPS and dual-stack endpoints.
//   - Answers: every field that pgkeyless reads, and the token of the next page. Each
//     operation has one full answer in testdata: in the first element of every list, each
//     field has a value of its own. The second element lacks what is optional.
//   - Errors: the number of tries, and the service, operation, code, message, HTTP status
//     and request id.
//
// The answers are written by hand, not recorded from AWS. Aurora DSQL is not compared.
package awsapi
