// Package awsemu emulates the part of AWS that an SSM tunnel and its people need, as
// one endpoint: STS, the session API of SSM, who may be a jump host (SSM, ECS, Auto
// Scaling), which databases there are (RDS, DSQL), logins by Identity Center; and what a
// diagnosis asks: IAM's policy simulation and CloudWatch's metrics of IAM logins.
//
//	HTTP ─ serve ┬─ serveAPI ── verify (SigV4) ─┬─ sts, rds, ecs, iam, …
//	             │                              └─ ssm ── Open, Resume, Terminate ─┐
//	             └─ gateway.ServeChannel ◄── VerifyUpgrade ── gateway.Gateway ◄────┘
//
// This is the control plane. The data channels are those of package gateway, which
// knows nothing of what is here: an Emulator takes a Gateway in, opens sessions with
// it, and answers whether a websocket's upgrade is signed. So the two have a lock
// each, and this one's may be held while the other's is taken, never the reverse.
//
// It shares no code with what it tests, so that a shared mistake cannot hide.
//
// # Faults
//
// Each can be set while it runs, as can those of the gateway:
//
//	FailNext, SlowNext     of an operation of any API
//	EndOnResume            of ResumeSession
//	SetOnline              of a jump host
//	SetStreamOrigin        of the URLs that StartSession gives
//	SetClock               of the whole of AWS
//	SetPolicy              what callers may do with sessions, and what IAM answers
//	SetSimulation          what IAM answers
//	SetMetric              what CloudWatch has counted
package awsemu
