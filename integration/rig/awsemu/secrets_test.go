package awsemu

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// The SDK reads secrets, by name and ARN and in their own region, and each refusal.
func TestSecretsByTheSDK(t *testing.T) {
	e := startEmulator(t, Config{Regions: []string{"eu-west-1"}})
	const key = "arn:aws:kms:us-east-1:123456789012:key/k"
	for _, s := range []Secret{
		{Name: "orders/app", Text: "one"}, {Name: "orders/app", Text: "two", Key: key}, {Name: "far", Text: "far", Region: "eu-west-1"},
		{Name: "binary", Binary: []byte("b")}, {Name: "broken", KeyBroken: true}, {Name: "gone", Deleted: true},
	} {
		e.PutSecret(s)
	}
	client := secretsmanager.NewFromConfig(sdkConfig(e, "us-east-1"))
	get := func(c *secretsmanager.Client, id string) (*secretsmanager.GetSecretValueOutput, error) {
		return c.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String(id)})
	}
	for _, id := range []string{"orders/app", e.SecretARN("orders/app")} {
		out, err := get(client, id)
		if err != nil || *out.SecretString != "two" || !strings.HasSuffix(*out.VersionId, "2") || *out.ARN != e.SecretARN("orders/app") || out.CreatedDate.IsZero() {
			t.Errorf("%s: %+v, %v", id, out, err)
		}
	}
	if out, err := get(client, "binary"); err != nil || string(out.SecretBinary) != "b" || out.SecretString != nil {
		t.Errorf("binary: %+v, %v", out, err)
	}
	if out, err := get(secretsmanager.NewFromConfig(sdkConfig(e, "eu-west-1")), "far"); err != nil || *out.SecretString != "far" {
		t.Errorf("another region: %+v, %v", out, err)
	}
	described, err := client.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String("orders/app")})
	if err != nil || *described.KmsKeyId != key {
		t.Errorf("described %+v, %v", described, err)
	}
	for id, want := range map[string]string{"far": "ResourceNotFoundException", "broken": "DecryptionFailure", "gone": "InvalidRequestException"} {
		if _, err := get(client, id); errorCode(err) != want {
			t.Errorf("%s: %v, want %s", id, err, want)
		}
	}
	if err := e.SetPolicy(`{"Statement":[{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"` + e.SecretARN("orders/app") + `"}]}`); err != nil {
		t.Fatal(err)
	}
	if _, err := get(client, "orders/app"); errorCode(err) != "AccessDeniedException" || !strings.Contains(err.Error(), "KMS") {
		t.Errorf("without the key: %v", err)
	}
	if _, err := get(client, "binary"); errorCode(err) != "AccessDeniedException" || !strings.Contains(err.Error(), "not authorized to perform: secretsmanager:GetSecretValue") {
		t.Errorf("without permission: %v", err)
	}
	e.RemoveSecret("orders/app")
	if _, err := get(client, "orders/app"); errorCode(err) != "ResourceNotFoundException" {
		t.Errorf("removed: %v", err)
	}
}

// The SDK reads what Describe says of the secret that RDS keeps.
func TestManagedSecretsByTheSDK(t *testing.T) {
	e := startEmulator(t, Config{})
	e.SetDatabases(Databases{
		Instances: []DBInstance{{Identifier: "orders", Secret: &MasterSecret{ARN: "arn:s", Status: "rotating", Key: "arn:k"}}, {Identifier: "plain"}},
		Clusters:  []DBCluster{{Identifier: "ledger", Secret: &MasterSecret{ARN: "arn:l"}}},
	})
	client := rds.NewFromConfig(sdkConfig(e, "us-east-1"))
	instances, err := client.DescribeDBInstances(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if s := instances.DBInstances[0].MasterUserSecret; s == nil || *s.SecretArn != "arn:s" || *s.SecretStatus != "rotating" || *s.KmsKeyId != "arn:k" || instances.DBInstances[1].MasterUserSecret != nil {
		t.Errorf("%+v, and %+v", s, instances.DBInstances[1].MasterUserSecret)
	}
	clusters, err := client.DescribeDBClusters(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if s := clusters.DBClusters[0].MasterUserSecret; s == nil || *s.SecretStatus != "active" || *s.KmsKeyId == "" {
		t.Errorf("%+v", s)
	}
}
