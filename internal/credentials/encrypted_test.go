package credentials

import (
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/testenv"
)

// A request carries a session token, and its answer may carry keys.
func TestEndpointInTheClearIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name, file string
		env        map[string]string
		want       string // of the detail or message; "" for none
	}{
		{name: "all services", env: map[string]string{"AWS_ENDPOINT_URL": "http://aws.example.com:4566"}, want: "AWS_ENDPOINT_URL=http://aws.example.com:4566"},
		{name: "one service", env: map[string]string{"AWS_ENDPOINT_URL_STS": "HTTP://192.0.2.1"}, want: "AWS_ENDPOINT_URL_STS="},
		{name: "another one", env: map[string]string{"AWS_ENDPOINT_URL_SSO_OIDC": "http://192.0.2.1"}, want: "AWS_ENDPOINT_URL_SSO_OIDC="},
		{name: "that of passwords", env: map[string]string{"AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://192.0.2.1"}, want: "AWS_ENDPOINT_URL_SECRETS_MANAGER="},
		{name: "that of DSQL", env: map[string]string{"AWS_ENDPOINT_URL_DSQL": "http://192.0.2.1"}, want: "AWS_ENDPOINT_URL_DSQL="},
		{name: "a profile", file: "[default]\nendpoint_url = http://aws.example.com\n", want: "endpoint_url = http://aws.example.com"},
		{name: "a services section", file: "[default]\nservices = lab\n[services lab]\nssm =\n  endpoint_url = http://aws.example.com\n", want: "endpoint_url = http://aws.example.com"},
		{name: "passwords in a services section", file: "[default]\nservices = lab\n[services lab]\nsecrets_manager =\n  endpoint_url = http://aws.example.com\n", want: "endpoint_url = http://aws.example.com"},
		{name: "with a password", env: map[string]string{"AWS_ENDPOINT_URL": "http://u:secret@aws.example.com"}, want: "u:xxxxx@aws.example.com"},

		{name: "encrypted", env: map[string]string{"AWS_ENDPOINT_URL": "https://aws.example.com"}},
		{name: "this machine", env: map[string]string{"AWS_ENDPOINT_URL": "http://127.0.0.1:4566", "AWS_ENDPOINT_URL_SSM": "http://localhost:1", "AWS_ENDPOINT_URL_STS": "http://[::1]:2"}},
		{name: "a service that is not called", env: map[string]string{"AWS_ENDPOINT_URL_S3": "http://minio.example.com:9000"}, file: "[default]\nservices = lab\n[services lab]\ns3 =\n  endpoint_url = http://minio.example.com\n"},
		{name: "ignored", env: map[string]string{"AWS_ENDPOINT_URL": "http://aws.example.com", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}},
		{name: "overridden", env: map[string]string{"AWS_ENDPOINT_URL": "https://aws.example.com"}, file: "[default]\nendpoint_url = http://aws.example.com\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := testenv.Isolate(t)
			for name, value := range tt.env {
				t.Setenv(name, value)
			}
			testenv.Write(t, dir+"/config", tt.file)
			var profiles Profiles
			_, err := profiles.Config(t.Context(), "", "eu-central-1")
			if (err == nil) != (tt.want == "") {
				t.Fatalf("%v, want one with %q", err, tt.want)
			}
			if err == nil {
				return
			}
			said := err.Error() + "\n" + causes.Detail(err) + "\n" + causes.Hint(err)
			if !strings.Contains(said, tt.want) || !strings.Contains(said, "unencrypted") || !strings.Contains(said, "https://") || strings.Contains(said, "u:secret") {
				t.Errorf("said %s\nwant %q", said, tt.want)
			}
		})
	}
}
