package secretstore

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pgkeyless/pgkeyless/internal/awsapi"
	"github.com/pgkeyless/pgkeyless/internal/partition"
)

var service = awsapi.Service{
	ID: "Secrets Manager", Prefix: "secretsmanager", Target: "secretsmanager",
	UsualDualStack: []string{partition.Commercial, partition.China, partition.GovCloud},
	MaxAnswer:      512 << 10, // a secret, escaped, and some words
}

// API is the part of Secrets Manager that is asked. id is a name or an ARN.
type API interface {
	GetSecretValue(ctx context.Context, id string) (Value, error)
	DescribeSecret(ctx context.Context, id string) (Description, error)
}

// Value is what Secrets Manager has of the current version of a secret.
type Value struct {
	ARN, Version string
	Created      time.Time // of the version
	Text         *string   // nil where there is none
	Binary       bool      // there is something else
}

// Description is what Secrets Manager says about a secret without its content.
type Description struct {
	ARN string
	// Key is the customer's key that encrypts it, by ARN, id or alias; "" for AWS's own,
	// which takes no permission in the secret's account.
	Key string
	// Rotates says that it is rotated on a schedule.
	Rotates bool
}

// NewAPI asks Secrets Manager in a region, with cfg's credentials and HTTP client.
func NewAPI(cfg aws.Config, region string) API {
	if region != "" {
		cfg.Region = region
	}
	return client{awsapi.New(cfg, service)}
}

type client struct{ api *awsapi.Client }

type secretID struct {
	ID string `json:"SecretId"`
}

func (c client) GetSecretValue(ctx context.Context, id string) (Value, error) {
	var out struct {
		ARN          string
		VersionID    string `json:"VersionId"`
		CreatedDate  awsapi.Time
		SecretString *string
		SecretBinary []byte
	}
	if err := c.api.JSON(ctx, "GetSecretValue", secretID{id}, &out); err != nil {
		return Value{}, err
	}
	return Value{out.ARN, out.VersionID, out.CreatedDate.Time, out.SecretString, len(out.SecretBinary) > 0}, nil
}

func (c client) DescribeSecret(ctx context.Context, id string) (Description, error) {
	var out struct {
		ARN             string
		KmsKeyID        string `json:"KmsKeyId"`
		RotationEnabled bool
	}
	err := c.api.JSON(ctx, "DescribeSecret", secretID{id}, &out)
	return Description{out.ARN, out.KmsKeyID, out.RotationEnabled}, err
}
