// Package rds asks Amazon RDS which databases there are: the calls that pgkeyless makes,
// with the fields that it reads.
//
// A list comes in pages. Each call returns one; awsapi.Pages and awsapi.All walk them.
//
// Source: Amazon RDS API reference.
package rds
