// Package evidence asks AWS for what explains a refused login beside the error
// itself: what IAM's policy simulation says, and what CloudWatch has counted. Whose
// the credentials are, and what time it is there, tells credentials.WhoAmI.
//
// Both take permissions that a user of pgkeyless need not have:
// a refusal is ErrNotPermitted, and no fault of the path to the database.
package evidence
