package awsemu

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// askDSQL asks the emulator as a signer of the SDK's does, for a service.
func askDSQL(t *testing.T, e *Emulator, service, region, path string) (status int, kind string, answer map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, e.URL()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	cfg := sdkConfig(e, region)
	keys, err := cfg.Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := v4.NewSigner().SignHTTP(t.Context(), keys, r, hexSum(nil), service, region, time.Now()); err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || json.Unmarshal(body, &answer) != nil {
		t.Fatalf("%s: %q, %v", path, body, err)
	}
	kind, _, _ = strings.Cut(response.Header.Get("X-Amzn-Errortype"), ":")
	return response.StatusCode, kind, answer
}

// DSQL's API lists clusters in pages, tells of one, and refuses as the API reference has it.
func TestDSQL(t *testing.T) {
	e := startEmulator(t, Config{Regions: []string{"eu-west-1"}})
	const one, two = "abtkpcdmqncdwnx7z2tkqvbzmy", "bbtkpcdmqncdwnx7z2tkqvbzmy"
	e.SetDSQL(1, DSQLCluster{Identifier: one}, DSQLCluster{Identifier: two, Status: "CREATING", NoEndpoint: true}, DSQLCluster{Identifier: "c" + one[1:], Region: "eu-west-1"})
	var got []string
	for path := "/cluster?max-results=100"; path != ""; {
		status, _, answer := askDSQL(t, e, "dsql", "us-east-1", path)
		if status != 200 {
			t.Fatalf("%s: %d, %v", path, status, answer)
		}
		for _, c := range answer["clusters"].([]any) {
			got = append(got, c.(map[string]any)["identifier"].(string))
		}
		token, _ := answer["nextToken"].(string)
		if path = ""; token != "" {
			path = "/cluster?max-results=100&next-token=" + strings.ReplaceAll(url.QueryEscape(token), "+", "%20")
		}
	}
	if strings.Join(got, " ") != one+" "+two {
		t.Errorf("listed %q", got)
	}
	for _, test := range []struct {
		service, region, path string
		status                int
		kind                  string
		key, want             string
	}{
		{"dsql", "us-east-1", "/cluster/" + one, 200, "", "endpoint", one + ".dsql.us-east-1.on.aws"},
		{"dsql", "us-east-1", "/cluster/" + one, 200, "", "status", "ACTIVE"},
		{"dsql", "us-east-1", "/cluster/" + one, 200, "", "arn", "arn:aws:dsql:us-east-1:123456789012:cluster/" + one},
		{"dsql", "us-east-1", "/cluster/" + two, 200, "", "endpoint", ""},
		{"dsql", "us-east-1", "/cluster/z" + one[1:], 404, "ResourceNotFoundException", "", ""},
		{"dsql", "eu-west-1", "/cluster/" + one, 404, "ResourceNotFoundException", "", ""},
		{"dsql", "us-east-1", "/cluster/short", 400, "ValidationException", "", ""},
		{"dsql", "us-east-1", "/cluster?max-results=0", 400, "ValidationException", "", ""},
		{"dsql", "us-east-1", "/cluster?next-token=forged", 400, "ValidationException", "", ""},
		{"rds", "us-east-1", "/cluster", 403, "InvalidSignatureException", "", ""},
	} {
		status, kind, answer := askDSQL(t, e, test.service, test.region, test.path)
		said, _ := answer[test.key].(string)
		if status != test.status || kind != test.kind || test.key != "" && said != test.want {
			t.Errorf("%s: %d %s, %v; want %d %s, %s %q", test.path, status, kind, answer, test.status, test.kind, test.key, test.want)
		}
	}
	e.FailNext("GetCluster", "AccessDeniedException", "no", 1)
	if status, kind, _ := askDSQL(t, e, "dsql", "us-east-1", "/cluster/"+one); status != 403 || kind != "AccessDeniedException" {
		t.Errorf("denied: %d %s", status, kind)
	}
}
