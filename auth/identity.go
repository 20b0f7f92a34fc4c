package auth

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// Identity asks STS who cfg's credentials belong to and returns the ARN, such as
// "arn:aws:sts::123456789012:assumed-role/developer/ada". It needs no IAM
// permission. Errors are *CredentialsError when the credentials are to blame,
// *ConfigError when cfg has no region.
func Identity(ctx context.Context, cfg aws.Config) (arn string, err error) {
	if cfg.Region == "" {
		return "", &ConfigError{Err: fmt.Errorf("no AWS region to ask STS in"), Help: regionHelp}
	}
	out, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", fmt.Errorf("asking AWS who the credentials belong to: %w", Explain(profileOf(cfg), err))
	}
	return aws.ToString(out.Arn), nil
}
