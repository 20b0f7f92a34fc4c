package discover

import (
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/awsapi/rds"
)

// What RDS keeps of the master user's password is the cluster's for its members.
func TestManagedSecretIsFound(t *testing.T) {
	api := account()
	api.instances[0].Secret = rds.MasterUserSecret{ARN: "arn:orders", Status: "active", Key: "key"}
	api.clusters[0].Secret = rds.MasterUserSecret{ARN: "arn:ledger", Status: "active", Key: "key"}
	for ref, want := range map[string]string{"orders": "arn:orders", "ledger": "arn:ledger", "ledger-1": "arn:ledger", "world": "", "same": ""} {
		d, err := finder(t, api).Database(t.Context(), ref, "")
		if err != nil || d.Secret.ARN != want || want != "" && (d.Secret.Status != "active" || d.Secret.Key != "key") {
			t.Errorf("%s: %+v, %v, want %q", ref, d.Secret, err, want)
		}
	}
}
