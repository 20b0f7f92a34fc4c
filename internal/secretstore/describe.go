package secretstore

import "context"

// Describe asks about the secret, which takes a permission that no login needs.
func (s *Secret) Describe(ctx context.Context) (Description, error) {
	d, err := s.cfg.API.DescribeSecret(ctx, s.cfg.ID)
	if err != nil {
		return Description{}, s.worded("secretsmanager:DescribeSecret", err)
	}
	return d, nil
}
