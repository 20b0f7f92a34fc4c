package credentials

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// RegionHelp says how to name a region.
const RegionHelp = "set --region (or region=… on the target, or AWS_REGION) to the database's region"

// Caller is who AWS takes credentials for.
type Caller struct {
	ARN     string        // such as "arn:aws:sts::123456789012:assumed-role/developer/ada"
	Account string        // of the ARN
	Ahead   time.Duration // by how much AWS's clock is ahead of this machine's, to a second and a round trip; 0 when not known
}

// WhoAmI asks STS who cfg's credentials belong to, and reads AWS's clock by the
// way. It needs no IAM permission. Blamed finds errors when the
// credentials are to blame, a causes.Misuse when cfg has no region.
func WhoAmI(ctx context.Context, cfg aws.Config) (Caller, error) {
	if cfg.Region == "" {
		return Caller{}, causes.MisuseOf(fmt.Errorf("no AWS region to ask STS in"), RegionHelp)
	}
	out, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return Caller{}, fmt.Errorf("asking AWS who the credentials belong to: %w", Explain(profileOf(cfg), err))
	}
	c := Caller{ARN: aws.ToString(out.Arn)}
	if parts := strings.Split(c.ARN, ":"); len(parts) > 5 {
		c.Account = parts[4]
	}
	there, ok := middleware.GetServerTime(out.ResultMetadata) // whole seconds, from the Date header
	here, known := middleware.GetResponseAt(out.ResultMetadata)
	if ok && known {
		c.Ahead = there.Sub(here).Round(time.Second)
	}
	return c, nil
}
