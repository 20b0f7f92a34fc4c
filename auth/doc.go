// Package auth makes what a login to RDS needs: the endpoint behind a typed
// name, AWS credentials, the IAM token signed with them, and the TLS settings
// that prove the database is the one that was named.
//
//	"orders.cluster-c1.eu-west-1.rds.amazonaws.com:5432"
//	      │ ParseEndpoint
//	      ▼
//	  Endpoint ──┬─ Tokens.Token(user) ─── presigned rds-db:connect (or dsql), the password
//	  host, port │       ▲
//	  region     │   Profiles ─ one aws.CredentialsCache per profile ─ the SDK's chain
//	  kind       │
//	             └─ Roots.TLSConfig ────── verify-full for the host, roots chosen by kind
//	                     ▲
//	                 roots-rds.pem, roots-amazon.pem, ca-file, the region's bundle (Refresh)
//
// # What is signed and what is dialled
//
// An Endpoint is what the token names and what the certificate must prove. The
// address that is dialled (through a tunnel, or another port) is not part of it, so a
// detour changes neither.
//
// # Whom a kind of endpoint trusts
//
//	instance, cluster, shard group           the region's RDS roots, embedded and fetched, ca-file
//	global                                   all embedded RDS roots, ca-file
//	RDS Proxy, DSQL, Redshift                Amazon Trust roots, ca-file
//	any other name                           RDS roots (of its region, where known), Amazon Trust roots, ca-file
//
// A region's bundle is fetched only from a server with a chain to an Amazon Trust
// root. Of its certificates, self-signed roots with the names of that region's RDS
// roots count, for 30 days. System roots are never used for a database. So a public
// certificate for an RDS name is refused, whoever issued it. Aurora Serverless v1,
// which shares its names with other clusters but not their roots, has no IAM login
// and is not supported. The roots live in two files rather than one with sections, so
// that no parser stands between the two sets.
//
// # Lifecycle
//
// Nothing here runs in the background. Tokens are signed anew for each login,
// credentials are refreshed when they are asked for, and a failure to get them
// is not remembered: after `aws sso login` the next login works. All types are
// safe for concurrent use.
package auth

//go:generate go run genroots/main.go
