// Package dsql asks Aurora DSQL's API which clusters there are.
//
// Sources: Aurora DSQL API reference, ListClusters, GetCluster and "Common errors".
package dsql
