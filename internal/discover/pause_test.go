package discover

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"
)

// Who waits for a cluster to wake wants to know that it pauses, by whichever name.
func TestPausingClustersAreKnown(t *testing.T) {
	for _, test := range []struct {
		name    string
		scaling *types.ServerlessV2ScalingConfigurationInfo
		want    time.Duration
	}{
		{"provisioned", nil, 0},
		{"serverless that stays up", &types.ServerlessV2ScalingConfigurationInfo{MinCapacity: aws.Float64(0.5), SecondsUntilAutoPause: aws.Int32(300)}, 0},
		{"pauses", &types.ServerlessV2ScalingConfigurationInfo{MinCapacity: aws.Float64(0), SecondsUntilAutoPause: aws.Int32(600)}, 10 * time.Minute},
		{"pauses, after the usual time", &types.ServerlessV2ScalingConfigurationInfo{MinCapacity: aws.Float64(0)}, 5 * time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := cluster("hobby", "hobby-1")
			c.ServerlessV2ScalingConfiguration = test.scaling
			f := finder(t, &fakeRDS{clusters: []types.DBCluster{c}, instances: []types.DBInstance{member("hobby-1", "hobby")}})
			for _, name := range []string{"hobby", "hobby-1"} {
				if d, err := f.Database(t.Context(), name, ""); err != nil || d.PausesAfter != test.want {
					t.Errorf("%s pauses after %v, %v, want %v", name, d.PausesAfter, err, test.want)
				}
			}
		})
	}
}
