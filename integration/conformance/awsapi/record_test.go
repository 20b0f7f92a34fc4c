package awsapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// sent is a request as far as services look at it.
type sent struct {
	Method, URL         string
	ContentType, Target string
	Scope               string // of the signature: region and service
	Token               string
	Body                any
}

// wire is an HTTP client that records what is sent, and answers each request alike.
type wire struct {
	status int
	header http.Header
	answer string
	sent   []sent
}

func (w *wire) Do(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
	}
	scope := strings.Split(r.Header.Get("Authorization"), "/")
	if len(scope) < 4 {
		return nil, fmt.Errorf("the request is not signed: %q", r.Header.Get("Authorization"))
	}
	w.sent = append(w.sent, sent{
		r.Method, r.URL.String(), r.Header.Get("Content-Type"), r.Header.Get("X-Amz-Target"),
		scope[2] + "/" + scope[3], r.Header.Get("X-Amz-Security-Token"), parsed(string(body)),
	})
	header := w.header.Clone()
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{StatusCode: w.status, Header: header, Body: io.NopCloser(strings.NewReader(w.answer)), Request: r}, nil
}

// parsed is a body without the order of its parts.
func parsed(body string) any {
	var value any
	if json.Unmarshal([]byte(body), &value) == nil {
		return value
	}
	form, err := url.ParseQuery(body)
	if err != nil {
		return body
	}
	return map[string][]string(form)
}

// settings is a part of the SDK's configuration.
type settings struct{ fips, dualStack bool }

func (s settings) GetUseFIPSEndpoint(context.Context) (aws.FIPSEndpointState, bool, error) {
	return map[bool]aws.FIPSEndpointState{true: aws.FIPSEndpointStateEnabled, false: aws.FIPSEndpointStateDisabled}[s.fips], true, nil
}

func (s settings) GetUseDualStackEndpoint(context.Context) (aws.DualStackEndpointState, bool, error) {
	return map[bool]aws.DualStackEndpointState{true: aws.DualStackEndpointStateEnabled, false: aws.DualStackEndpointStateDisabled}[s.dualStack], true, nil
}

func configFor(region string, s settings, w *wire) aws.Config {
	return aws.Config{
		Region: region, HTTPClient: w, ConfigSources: []any{s},
		Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", "session"),
	}
}

// outcome is what a call returns.
type outcome struct {
	read any
	err  error
}

// same calls both with the same answer and compares what they sent.
func same(t *testing.T, region string, s settings, answer *wire, c call) (ours, theirs outcome) {
	t.Helper()
	ourWire, theirWire := *answer, *answer
	ours.read, ours.err = c.ours(t.Context(), configFor(region, s, &ourWire))
	theirs.read, theirs.err = c.theirs(t.Context(), configFor(region, s, &theirWire))
	if len(ourWire.sent) != len(theirWire.sent) {
		t.Fatalf("sent %d requests (%v), the SDK %d (%v)", len(ourWire.sent), ours.err, len(theirWire.sent), theirs.err)
	}
	for i := range ourWire.sent {
		if !reflect.DeepEqual(ourWire.sent[i], theirWire.sent[i]) {
			t.Errorf("request %d:\n%+v\nthe SDK's:\n%+v", i, ourWire.sent[i], theirWire.sent[i])
		}
	}
	return ours, theirs
}
