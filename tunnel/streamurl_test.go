package tunnel

import (
	"strings"
	"testing"
)

func TestMessagesEndpointTakesThePlaceOfTheHost(t *testing.T) {
	const rest = "/v1/data-channel/me-0a1b?role=publish_subscribe&cell-number=A+b/c=="
	tests := []struct {
		setting, url, want string // want "" when refused
	}{
		{"https://vpce-1.ssmmessages.eu-west-1.vpce.amazonaws.com", "wss://ssmmessages.eu-west-1.amazonaws.com" + rest, "wss://vpce-1.ssmmessages.eu-west-1.vpce.amazonaws.com" + rest},
		{"vpce-1.example.com/", "wss://ssmmessages.eu-west-1.amazonaws.com:443" + rest, "wss://vpce-1.example.com" + rest},
		{"wss://MESSAGES.example:8443", "wss://ssmmessages.eu-west-1.amazonaws.com" + rest, "wss://MESSAGES.example:8443" + rest},
		{"http://127.0.0.1:4566", "wss://ssmmessages.eu-west-1.amazonaws.com" + rest, "ws://127.0.0.1:4566" + rest},
		{"http://[::1]:4566", "ws://127.0.0.1:1" + rest, "ws://[::1]:4566" + rest},
		{"", "wss://ssmmessages.eu-west-1.amazonaws.com" + rest, "wss://ssmmessages.eu-west-1.amazonaws.com" + rest},
		{"http://messages.example", "wss://ssmmessages.eu-west-1.amazonaws.com" + rest, ""},
		{"ws://10.0.0.1", "wss://ssmmessages.eu-west-1.amazonaws.com" + rest, ""},
		{"ftp://localhost", "wss://ssmmessages.eu-west-1.amazonaws.com" + rest, ""},
		{"https://host/path", "wss://ssmmessages.eu-west-1.amazonaws.com" + rest, ""},
		{"https://me@host", "wss://ssmmessages.eu-west-1.amazonaws.com" + rest, ""},
		{"https://", "wss://ssmmessages.eu-west-1.amazonaws.com" + rest, ""},
		{"https://host", "wss://ssmmessages.eu-west-1.amazonaws.com@evil.example" + rest, ""},
		{"https://host", "https://ssmmessages.eu-west-1.amazonaws.com" + rest, ""},
		{"https://host", "wss://%zz" + rest, ""},
		{"https://host", "wss://ssmmessages.eu-west-1.amazonaws.com" + rest + "#part", ""},
	}
	for _, tt := range tests {
		got := ""
		endpoint, err := messagesEndpoint(tt.setting)
		if err == nil {
			override := ""
			if endpoint != nil {
				override = strings.ToLower(endpoint.Hostname())
			}
			got = moved(tt.url, endpoint)
			if _, err = checkStreamURL(got, override); err != nil {
				got = ""
			}
		}
		if got != tt.want {
			t.Errorf("%q for %q: %q (%v), want %q", tt.setting, tt.url, got, err, tt.want)
		}
	}
}

func TestCheckStreamURL(t *testing.T) {
	const path = "/v1/data-channel/me-0a1b?role=publish_subscribe&cell-number=A+b/c=="
	tests := []struct {
		url, override string
		refused       string // part of the reason, "" when accepted
	}{
		{"wss://ssmmessages.eu-west-1.amazonaws.com" + path, "", ""},
		{"wss://SSMMessages.eu-west-1.amazonaws.com" + path, "", ""},
		{"wss://ssmmessages.eu-west-1.amazonaws.com:443" + path, "", ""},
		{"wss://ssmmessages-fips.us-east-1.amazonaws.com" + path, "", ""},
		{"wss://ssmmessages.us-gov-west-1.amazonaws.com" + path, "", ""},
		{"wss://ssmmessages.eu-west-1.api.aws" + path, "", ""},
		{"wss://ssmmessages.cn-north-1.amazonaws.com.cn" + path, "", ""},
		{"wss://ssmmessages.cn-north-1.api.amazonwebservices.com.cn" + path, "", ""},
		{"wss://ssmmessages.eusc-de-east-1.amazonaws.eu" + path, "", ""},
		{"wss://ssmmessages.us-iso-east-1.c2s.ic.gov" + path, "", ""},
		{"wss://ssmmessages.us-isob-east-1.sc2s.sgov.gov" + path, "", ""},
		{"wss://ssmmessages.us-isof-south-1.csp.hci.ic.gov" + path, "", ""},
		{"wss://ssmmessages.eu-isoe-west-1.cloud.adc-e.uk" + path, "", ""},

		{"wss://ssmmessages.eu-west-1.amazonaws.com:8443" + path, "", "not an ssmmessages"},
		{"wss://ssm.eu-west-1.amazonaws.com" + path, "", "not an ssmmessages"},
		{"wss://ssmmessages.amazonaws.com" + path, "", "not an ssmmessages"},
		{"wss://ssmmessages.eu-west-1.amazonaws.com.evil.example" + path, "", "not an ssmmessages"},
		{"wss://ssmmessages.eu-west-1.evilamazonaws.com" + path, "", "not an ssmmessages"},
		{"wss://ssmmessages.eu-west-1.s3.amazonaws.com" + path, "", "not an ssmmessages"},
		{"wss://evil.example/ssmmessages.eu-west-1.amazonaws.com" + path, "", "not an ssmmessages"},
		{"wss://ssmmessages.eu-west-1.amazonaws.com@evil.example" + path, "", "user name"},
		{"wss://127.0.0.1:4566" + path, "", "not an ssmmessages"},

		{"wss://aws.test:4566" + path, "aws.test", ""},
		{"wss://other.test:4566" + path, "aws.test", "not an ssmmessages"},
		{"wss://ssmmessages.eu-west-1.amazonaws.com" + path, "aws.test", ""},

		{"ws://127.0.0.1:4566" + path, "127.0.0.1", ""},
		{"ws://127.0.0.1:4566" + path, "localhost", ""},
		{"ws://localhost:4566" + path, "localhost", ""},
		{"ws://[::1]:4566" + path, "::1", ""},
		{"ws://127.0.0.1:4566" + path, "", "not encrypted"},
		{"ws://localhost:4566" + path, "", "not encrypted"},
		{"ws://aws.test:4566" + path, "aws.test", "not encrypted"},
		{"ws://10.0.0.1:4566" + path, "10.0.0.1", "not encrypted"},
		{"ws://localhost.evil.example" + path, "localhost", "not encrypted"},
		{"ws://ssmmessages.eu-west-1.amazonaws.com" + path, "127.0.0.1", "not encrypted"},

		{"https://ssmmessages.eu-west-1.amazonaws.com" + path, "", "scheme"},
		{"wss://ssmmessages.eu-west-1.amazonaws.com" + path + "#part", "", "fragment"},
		{"wss://ssmmessages.eu-west-1.amazonaws.com", "", "unchanged"},
		{"", "", "host expected"},
		{"wss://%zz", "", "not a URL"},
	}
	for _, tt := range tests {
		u, err := checkStreamURL(tt.url, tt.override)
		switch {
		case tt.refused == "" && err != nil:
			t.Errorf("checkStreamURL(%q, %q): %v, want accepted", tt.url, tt.override, err)
		case tt.refused == "" && u == nil:
			t.Errorf("checkStreamURL(%q, %q): no URL", tt.url, tt.override)
		case tt.refused != "" && (err == nil || !strings.Contains(err.Error(), tt.refused)):
			t.Errorf("checkStreamURL(%q, %q): %v, want …%q…", tt.url, tt.override, err, tt.refused)
		case err != nil && strings.Contains(err.Error(), "cell-number"):
			t.Errorf("checkStreamURL(%q, %q): error %q tells the query", tt.url, tt.override, err)
		}
	}
}
