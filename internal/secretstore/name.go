package secretstore

import "github.com/aws/aws-sdk-go-v2/aws/arn"

// RegionOf is the region of a secret that is named by its ARN, and "" for one that is
// named otherwise.
func RegionOf(id string) string {
	a, err := arn.Parse(id)
	if err != nil {
		return ""
	}
	return a.Region
}
