package secretstore

import (
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// maxAnswer bounds an answer of Secrets Manager: a secret, escaped, and some words.
const maxAnswer = 512 << 10

// NewAPI asks Secrets Manager in a region, with cfg's credentials and HTTP client.
func NewAPI(cfg aws.Config, region string) API {
	return secretsmanager.NewFromConfig(cfg, func(o *secretsmanager.Options) {
		if region != "" {
			o.Region = region
		}
		if o.HTTPClient != nil {
			o.HTTPClient = bounded{o.HTTPClient}
		}
	})
}

// bounded reads no more of an answer than maxAnswer.
type bounded struct{ client secretsmanager.HTTPClient }

func (b bounded) Do(r *http.Request) (*http.Response, error) {
	answer, err := b.client.Do(r)
	if answer != nil && answer.Body != nil {
		answer.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(answer.Body, maxAnswer), answer.Body}
	}
	return answer, err
}
