package credentials

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
)

// metadataPatience is what the metadata service of a machine may take: where there is one,
// it answers in milliseconds.
const metadataPatience = 5 * time.Second

// Missing says that profile has no credentials: nothing that the AWS CLI looks at gives
// any, and neither does the machine. It asks nobody but the metadata service of this
// machine, and that only where nothing else is left. nil: there may be some. Blamed finds
// its error.
func (p *Profiles) Missing(ctx context.Context, profile string) error {
	cfg, err := p.Config(ctx, profile, "")
	if err != nil {
		return err
	}
	c, ok := cfg.Credentials.(*cache)
	if !ok {
		return nil
	}
	found, _, err := c.source.find(nil)
	if err != nil {
		return Explain(profile, err)
	}
	if _, last := found.(*ec2rolecreds.Provider); !last {
		return nil
	}
	asking, cancel := context.WithTimeout(ctx, metadataPatience)
	defer cancel()
	if _, err = Retrieve(asking, cfg.Credentials, profile); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}
