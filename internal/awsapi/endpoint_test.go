package awsapi

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// configured is a part of the SDK's configuration.
type configured struct {
	url        string
	ignore     bool
	fips, dual bool
}

func (c configured) GetServiceBaseEndpoint(_ context.Context, sdkID string) (string, bool, error) {
	return c.url, sdkID == "Test" && c.url != "", nil
}

func (c configured) GetIgnoreConfiguredEndpoints(context.Context) (bool, bool, error) {
	return c.ignore, c.ignore, nil
}

func (c configured) GetUseFIPSEndpoint(context.Context) (aws.FIPSEndpointState, bool, error) {
	return aws.FIPSEndpointStateEnabled, c.fips, nil
}

func (c configured) GetUseDualStackEndpoint(context.Context) (aws.DualStackEndpointState, bool, error) {
	return aws.DualStackEndpointStateEnabled, c.dual, nil
}

func TestEndpoints(t *testing.T) {
	everywhere := aws.String("http://127.0.0.1:4566/")
	dualOnly := Service{ID: "Test", Prefix: "test", DualStackOnly: true}
	govIPv4, govAll := Service{ID: "Test", Prefix: "test", GovCloudFIPS: UsualIPv4FIPS}, Service{ID: "Test", Prefix: "test", GovCloudFIPS: UsualFIPS}
	usual := Service{ID: "Test", Prefix: "test", UsualDualStack: []string{"aws"}}
	global := Service{ID: "Test", Prefix: "test", Global: map[string]Global{"aws": {Region: "us-east-1", Host: "test.amazonaws.com", FIPS: "test-fips.amazonaws.com"}}}
	for _, test := range []struct {
		name    string
		service Service
		region  string
		base    *string
		source  configured
		want    string // or a part of the error
	}{
		{"its own", testService, "eu-west-1", nil, configured{}, "https://test.eu-west-1.amazonaws.com"},
		{"in China", testService, "cn-north-1", nil, configured{}, "https://test.cn-north-1.amazonaws.com.cn"},
		{"dual-stack", testService, "eu-west-1", nil, configured{dual: true}, "https://test.eu-west-1.api.aws"},
		{"FIPS", testService, "us-gov-west-1", nil, configured{fips: true}, "https://test-fips.us-gov-west-1.amazonaws.com"},
		{"FIPS by its usual name", govIPv4, "us-gov-west-1", nil, configured{fips: true}, "https://test.us-gov-west-1.amazonaws.com"},
		{"both, marked", govIPv4, "us-gov-west-1", nil, configured{fips: true, dual: true}, "https://test-fips.us-gov-west-1.api.aws"},
		{"both, by its usual name", govAll, "us-gov-west-1", nil, configured{fips: true, dual: true}, "https://test.us-gov-west-1.api.aws"},
		{"FIPS elsewhere", govAll, "eu-west-1", nil, configured{fips: true}, "https://test-fips.eu-west-1.amazonaws.com"},
		{"dual-stack anyway", usual, "eu-west-1", nil, configured{dual: true}, "https://test.eu-west-1.amazonaws.com"},
		{"dual-stack by another name", usual, "cn-north-1", nil, configured{dual: true}, "https://test.cn-north-1.api.amazonwebservices.com.cn"},
		{"dual-stack only", dualOnly, "cn-north-1", nil, configured{}, "https://test.cn-north-1.api.amazonwebservices.com.cn"},
		{"of all regions", global, "eu-west-1", nil, configured{}, "https://test.amazonaws.com"},
		{"of all regions, FIPS", global, "eu-west-1", nil, configured{fips: true}, "https://test-fips.amazonaws.com"},
		{"for all services", testService, "eu-west-1", everywhere, configured{}, "http://127.0.0.1:4566"},
		{"for this one", testService, "eu-west-1", everywhere, configured{url: "https://vpce.example.com/test/"}, "https://vpce.example.com/test"},
		{"ignored but in code", testService, "eu-west-1", everywhere, configured{url: "https://vpce.example.com", ignore: true}, "http://127.0.0.1:4566"},
		{"in the clear", testService, "eu-west-1", aws.String("http://u:secret@192.0.2.1"), configured{}, "http://u:xxxxx@192.0.2.1 would send credentials unencrypted"},
		{"ignored", testService, "eu-west-1", nil, configured{url: "https://vpce.example.com", ignore: true}, "https://test.eu-west-1.amazonaws.com"},
		{"FIPS of one's own", testService, "eu-west-1", everywhere, configured{fips: true}, "exclude each other"},
		{"dual-stack of one's own", testService, "eu-west-1", everywhere, configured{dual: true}, "exclude each other"},
		{"not a URL", testService, "eu-west-1", aws.String("127.0.0.1:4566"), configured{}, "is not a URL"},
		{"a region that leads elsewhere", testService, "eu-west-1.example.com/", nil, configured{}, "is no region"},
		{"no region", testService, "", nil, configured{}, "is no region"},
	} {
		u, err := test.service.endpoint(aws.Config{Region: test.region, BaseEndpoint: test.base, ConfigSources: []any{"another", test.source}}).url()
		switch {
		case err != nil && !strings.Contains(err.Error(), test.want), err == nil && u.String() != test.want:
			t.Errorf("%s: %v, %v; want %s", test.name, u, err, test.want)
		}
	}
}

// AWS_ENDPOINT_URL goes before what a services section has for a service, but not before the
// service's own variable.
func TestVariablesGoBeforeFiles(t *testing.T) {
	service := Service{ID: "Test", Prefix: "test"}
	cfg := aws.Config{Region: "eu-west-1", BaseEndpoint: aws.String("https://all.example.com"), ConfigSources: []any{configured{url: "https://own.example.com"}}}
	if got := service.override(cfg); got != "https://own.example.com" {
		t.Errorf("by the files: %s", got)
	}
	t.Setenv("AWS_ENDPOINT_URL", "https://all.example.com")
	if got := service.override(cfg); got != "https://all.example.com" {
		t.Errorf("with a variable for all: %s", got)
	}
	t.Setenv("AWS_ENDPOINT_URL_TEST", "https://own.example.com")
	if got := service.override(cfg); got != "https://own.example.com" {
		t.Errorf("with its own: %s", got)
	}
}

// A service with one endpoint is signed for in that endpoint's region, also by way of
// another.
func TestSigningRegion(t *testing.T) {
	global := Service{Prefix: "test", Global: map[string]Global{"aws": {Region: "us-east-1"}}}
	for region, want := range map[string]string{"eu-west-1": "us-east-1", "cn-north-1": "cn-north-1"} {
		if got := global.endpoint(aws.Config{Region: region, BaseEndpoint: aws.String("http://127.0.0.1")}).signingRegion; got != want {
			t.Errorf("%s: %s, want %s", region, got, want)
		}
	}
}
