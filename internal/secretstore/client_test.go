package secretstore

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/awsapi/apitest"
)

func apiOf(answer string) API { return NewAPI(apitest.Answering(answer).Config(""), "eu-west-1") }

func TestAnswersAreRead(t *testing.T) {
	v, err := apiOf(`{"ARN":"arn:x","VersionId":"v1","CreatedDate":1.5e9,"SecretString":"","VersionStages":["AWSCURRENT"]}`).GetSecretValue(t.Context(), "x")
	if err != nil || v.Text == nil || *v.Text != "" || v.Binary || v.ARN != "arn:x" || v.Version != "v1" || !v.Created.Equal(time.Unix(1500000000, 0)) {
		t.Errorf("text: %+v, %v", v, err)
	}
	if v, err := apiOf(`{"ARN":"arn:x","SecretBinary":"AAE="}`).GetSecretValue(t.Context(), "x"); err != nil || v.Text != nil || !v.Binary {
		t.Errorf("binary: %+v, %v", v, err)
	}
	d, err := apiOf(`{"ARN":"arn:x","KmsKeyId":"alias/k","RotationEnabled":true}`).DescribeSecret(t.Context(), "x")
	if err != nil || d != (Description{"arn:x", "alias/k", true}) {
		t.Errorf("described: %+v, %v", d, err)
	}
}

// More than a secret can be is not read, and nothing of it is repeated.
func TestAnswersAreBounded(t *testing.T) {
	_, err := apiOf(fmt.Sprintf(`{"SecretString":%q}`, strings.Repeat("hunter2", 80_000))).GetSecretValue(t.Context(), "x")
	if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "more than 524288 bytes") {
		t.Errorf("got %.100v", err)
	}
}
