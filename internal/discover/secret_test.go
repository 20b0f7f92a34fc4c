package discover

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"
)

// What RDS keeps of the master user's password is the cluster's for its members.
func TestManagedSecretIsFound(t *testing.T) {
	api := account()
	kept := func(arn string) *types.MasterUserSecret {
		return &types.MasterUserSecret{SecretArn: aws.String(arn), SecretStatus: aws.String("active"), KmsKeyId: aws.String("key")}
	}
	api.instances[0].MasterUserSecret = kept("arn:orders")
	api.clusters[0].MasterUserSecret = kept("arn:ledger")
	for ref, want := range map[string]string{"orders": "arn:orders", "ledger": "arn:ledger", "ledger-1": "arn:ledger", "world": "", "same": ""} {
		d, err := finder(t, api).Database(t.Context(), ref, "")
		if err != nil || d.Secret.ARN != want || want != "" && (d.Secret.Status != "active" || d.Secret.Key != "key") {
			t.Errorf("%s: %+v, %v, want %q", ref, d.Secret, err, want)
		}
	}
}
