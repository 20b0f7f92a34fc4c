package secretstore

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// Description is what Secrets Manager says about a secret without its content.
type Description struct {
	ARN string
	// Key is the customer's key that encrypts it, by ARN, id or alias; "" for AWS's own,
	// which takes no permission in the secret's account.
	Key string
	// Rotates says that it is rotated on a schedule.
	Rotates bool
}

// Describe asks about the secret, which takes a permission that no login needs.
func (s *Secret) Describe(ctx context.Context) (Description, error) {
	out, err := s.cfg.API.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &s.cfg.ID})
	if err != nil {
		return Description{}, s.worded("secretsmanager:DescribeSecret", err)
	}
	return Description{ARN: aws.ToString(out.ARN), Key: aws.ToString(out.KmsKeyId), Rotates: aws.ToBool(out.RotationEnabled)}, nil
}
