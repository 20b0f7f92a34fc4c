// Package discover asks AWS which database and which jump hosts a name stands
// for.
//
//	identifier, ARN ──► Finder.Database ─┐
//	endpoint's name ──► Finder.ByEndpoint ┴─► Database: endpoint, resource id, engine, IAM on?
//	tag:…, asg:…, ecs:… ──► Finder.JumpHosts ──► JumpHost: SSM target, online?
//	              Finder.Databases, Finder.AllJumpHosts: all there are in the region
//	host name ──► CNAMEs ──► the endpoint that it is another name of
//
// A Finder is for one region and one set of credentials. It keeps nothing:
// every call asks anew, and who asks often keeps the answer. Its errors are
// *causes.Error; Final says whether asking again can help.
//
// # Which database a bare identifier means
//
// Instances, clusters and proxies have name spaces of their own, so an
// identifier may mean one of each. All three are asked at once, and Aurora DSQL too if
// the identifier has the form of its clusters'; custom
// endpoints, proxy endpoints and global clusters only when none of them has the
// name. Databases of other engines do not count. A cluster takes precedence over its
// member of the same name; any other doubt is an error that lists the ARNs, one
// of which settles it.
package discover
