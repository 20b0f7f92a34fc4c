// Package policy words what one target takes in AWS and in its database, for
// one database user.
//
//	Facts ─┬─ For     the IAM policy, the least that works
//	       ├─ SQL     the database's side
//	       ├─ Advice  the jump host's role, security groups and endpoints
//	       └─ Text, JSON, Terraform: all of that as people or programs want it
//
// It asks nobody anything. What is not known stands in the policy as a
// placeholder that no ARN can have, and Unknown tells how to find it.
package policy
