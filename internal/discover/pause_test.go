package discover

import (
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/awsapi/rds"
)

// Who waits for a cluster to wake wants to know that it pauses, by whichever name.
func TestPausingClustersAreKnown(t *testing.T) {
	for _, test := range []struct {
		name  string
		least *float64
		after int
		want  time.Duration
	}{
		{"provisioned", nil, 0, 0},
		{"serverless that stays up", new(0.5), 300, 0},
		{"pauses", new(0.0), 600, 10 * time.Minute},
		{"pauses, after the usual time", new(0.0), 0, 5 * time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := cluster("hobby", "hobby-1")
			c.MinCapacity, c.PausesAfter = test.least, test.after
			f := finder(t, &fakeRDS{clusters: []rds.Cluster{c}, instances: []rds.Instance{member("hobby-1", "hobby")}})
			for _, name := range []string{"hobby", "hobby-1"} {
				if d, err := f.Database(t.Context(), name, ""); err != nil || d.PausesAfter != test.want {
					t.Errorf("%s pauses after %v, %v, want %v", name, d.PausesAfter, err, test.want)
				}
			}
		})
	}
}
