package credentials

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// roleServer is an STS that assumes every role and notes with whose keys it is
// asked for which: "AKID role".
func roleServer(t *testing.T) (asked func() []string) {
	t.Helper()
	var mu sync.Mutex
	var got []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		_, key, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
		key, _, _ = strings.Cut(key, "/")
		role := r.FormValue("RoleArn")
		got = append(got, key+" "+role[strings.LastIndexByte(role, '/')+1:])
		fmt.Fprint(w, roleAnswer("ASIA"+strings.ToUpper(role[strings.LastIndexByte(role, '/')+1:])))
	}))
	t.Cleanup(server.Close)
	t.Setenv("AWS_ENDPOINT_URL_STS", server.URL)
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return got
	}
}

// Every kind of source profile, directly and in chains, as the AWS CLI has them.
func TestSourceProfiles(t *testing.T) {
	const config = `[default]
region = eu-west-1
[profile login]
login_session = arn:aws:iam::123456789012:user/ada
[profile over-login]
region = eu-west-1
role_arn = arn:aws:iam::123456789012:role/one
source_profile = login
[profile over-over-login]
region = eu-west-1
role_arn = arn:aws:iam::123456789012:role/two
source_profile = over-login
[profile process]
credential_process = echo '{"Version":1,"AccessKeyId":"AKIAPROCESS","SecretAccessKey":"s"}'
[profile over-process]
role_arn = arn:aws:iam::123456789012:role/one
source_profile = process
[profile itself]
role_arn = arn:aws:iam::123456789012:role/one
source_profile = itself
aws_access_key_id = AKIAITSELF
aws_secret_access_key = s
[profile there]
role_arn = arn:aws:iam::123456789012:role/one
source_profile = back
aws_access_key_id = AKIATHERE
aws_secret_access_key = s
[profile back]
role_arn = arn:aws:iam::123456789012:role/two
source_profile = there
[profile keys-and-role]
role_arn = arn:aws:iam::123456789012:role/unused
source_profile = process
aws_access_key_id = AKIABOTH
aws_secret_access_key = s
[profile over-keys-and-role]
role_arn = arn:aws:iam::123456789012:role/one
source_profile = keys-and-role
[profile environment]
role_arn = arn:aws:iam::123456789012:role/one
credential_source = Environment
[profile sourceless]
source_profile = nobody
credential_process = echo '{"Version":1,"AccessKeyId":"AKIAPROCESS","SecretAccessKey":"s"}'
`
	for profile, want := range map[string]struct {
		asked []string
		key   string
	}{
		"over-login":         {[]string{exampleKey + " one"}, "ASIAONE"},
		"over-over-login":    {[]string{exampleKey + " one", "ASIAONE two"}, "ASIATWO"},
		"over-process":       {[]string{"AKIAPROCESS one"}, "ASIAONE"},
		"itself":             {[]string{"AKIAITSELF one"}, "ASIAONE"},
		"there":              {[]string{"AKIATHERE two", "ASIATWO one"}, "ASIAONE"},
		"back":               {[]string{"AKIATHERE two"}, "ASIATWO"}, // a source's keys go before its role
		"over-keys-and-role": {[]string{"AKIABOTH one"}, "ASIAONE"},
		"environment":        {[]string{"AKIAENV one"}, "ASIAONE"},
		"sourceless":         {nil, "AKIAPROCESS"}, // a source without a role is left out, as by the AWS CLI
	} {
		t.Run(profile, func(t *testing.T) {
			home := awsFiles(t, config, "")
			loginToken(t, home, "arn:aws:iam::123456789012:user/ada", time.Now().Add(time.Hour))
			t.Setenv("AWS_ACCESS_KEY_ID", "AKIAENV")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "s")
			asked := roleServer(t)
			cfg, err := new(Profiles).Config(t.Context(), profile, "eu-west-1")
			if err != nil {
				t.Fatal(err)
			}
			creds, err := cfg.Credentials.Retrieve(t.Context())
			if err != nil || creds.AccessKeyID != want.key {
				t.Errorf("key %q, %v, want %q", creds.AccessKeyID, err, want.key)
			}
			if got := asked(); fmt.Sprint(got) != fmt.Sprint(want.asked) {
				t.Errorf("roles assumed: %q, want %q", got, want.asked)
			}
		})
	}
}
