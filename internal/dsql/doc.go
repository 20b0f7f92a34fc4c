// Package dsql asks Aurora DSQL's API which clusters there are.
//
// Two GET requests with an answer in JSON are all it takes, so they are signed by hand:
// the SDK's module for the service would be one more dependency of its size.
//
// Sources: Aurora DSQL API reference, ListClusters, GetCluster and "Common errors".
package dsql
