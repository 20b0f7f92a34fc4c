package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/testenv"
)

// withFiles gives the test shared files in a new home, without keys in the
// environment.
func withFiles(t *testing.T, config, keys string) (home string) {
	t.Helper()
	home = testenv.Isolate(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	t.Setenv("AWS_CONFIG_FILE", "")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "")
	t.Setenv("USERPROFILE", home)
	testenv.Write(t, filepath.Join(home, ".aws", "config"), config)
	testenv.Write(t, filepath.Join(home, ".aws", "credentials"), keys)
	return home
}

// TestMistakesInTheAWSSettings starts with each: message, DETAIL and hint name the
// variable, or the key, section and file.
func TestMistakesInTheAWSSettings(t *testing.T) {
	const config = `[default]
region = eu-west-1
[profile dangling]
role_arn = arn:aws:iam::123456789012:role/developer
source_profile = nobody
[profile near]
role_arn = arn:aws:iam::123456789012:role/developer
source_profile = bare
[bare]
region = eu-west-1
[profile a]
role_arn = arn:aws:iam::123456789012:role/developer
source_profile = b
[profile b]
role_arn = arn:aws:iam::123456789012:role/developer
source_profile = a
[profile itself]
role_arn = arn:aws:iam::123456789012:role/developer
source_profile = itself
[profile roleless]
source_profile = default
[profile over-empty]
role_arn = arn:aws:iam::123456789012:role/developer
source_profile = default
[profile sso]
sso_session = company
sso_account_id = 123456789012
sso_role_name = developer
[profile sso-lost]
sso_session = compny
sso_account_id = 123456789012
sso_role_name = developer
[profile sso-torn]
sso_session = whole
sso_region = us-east-1
sso_account_id = 123456789012
sso_role_name = developer
[profile sso-nameless]
sso_session = whole
sso_account_id = 123456789012
[sso-session company]
sso_start_url = https://example.awsapps.com/start
[sso-session whole]
sso_start_url = https://example.awsapps.com/start
sso_region = eu-west-1
[profile web]
web_identity_token_file = /token
[profile machine]
role_arn = arn:aws:iam::123456789012:role/developer
credential_source = Ec2
[profile task]
role_arn = arn:aws:iam::123456789012:role/developer
credential_source = EcsContainer
[profile bundle]
ca_bundle = /nonexistent/ca.pem
[profile patient]
max_attempts = many
[profile mode]
retry_mode = never
[profile half]
aws_secret_access_key = x
`
	for _, tc := range []struct {
		name, profile         string
		env                   map[string]string
		message, detail, hint string // CONFIG and HOME stand for paths
	}{
		{"no source profile", "dangling", nil, `from profile "dangling": source_profile "nobody" of profile "dangling" does not exist`,
			"source_profile in [profile dangling] of CONFIG, line 5", "correct the name there"},
		{"a source profile in the wrong form", "near", nil, `source_profile "bare" of profile "near" does not exist`,
			"there is [bare] in CONFIG, line 9; in the config file it must be [profile bare]", "correct the name there"},
		{"a loop", "a", nil, `from profile "a": the source profiles form a loop: a → b → a`, "source_profile in [profile b] of CONFIG, line 16", "let the last source_profile"},
		{"itself without keys", "itself", nil, "the source profiles form a loop: itself → itself", "source_profile in [profile itself] of CONFIG, line 19", "let the last"},
		{"no role", "roleless", nil, `profile "roleless" has a source_profile and no role_arn`, "source_profile in [profile roleless] of CONFIG, line 21", "add the role_arn"},
		{"a source without credentials", "over-empty", nil, `source_profile "default" of profile "over-empty" has no credentials`,
			"source_profile in [profile over-empty] of CONFIG, line 24; [default] of CONFIG", "name a source_profile that has credentials"},
		{"a session without a region", "sso", nil, "[sso-session company] has no sso_region", "[sso-session company] of CONFIG", "add sso_region there"},
		{"no such session", "sso-lost", nil, `sso_session "compny" of profile "sso-lost" does not exist`, "sso_session in [profile sso-lost] of CONFIG, line 30", "[sso-session compny]"},
		{"two regions", "sso-torn", nil, `sso_region of profile "sso-torn" is not that of [sso-session whole]`, "sso_region in [profile sso-torn] of CONFIG, line 35; sso_region in [sso-session whole] of CONFIG, line 45", "remove sso_region"},
		{"no SSO role", "sso-nameless", nil, `profile "sso-nameless" uses SSO and has no sso_role_name`, "[profile sso-nameless] of CONFIG", "add sso_role_name"},
		{"web identity without a role", "web", nil, `profile "web" has a web_identity_token_file and no role_arn`, "web_identity_token_file in [profile web] of CONFIG, line 47", "add the role_arn"},
		{"an unknown credential_source", "machine", nil, `credential_source of profile "machine" is "Ec2"`, "credential_source in [profile machine] of CONFIG, line 50", "correct that setting"},
		{"no container", "task", nil, "neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor AWS_CONTAINER_CREDENTIALS_FULL_URI is set", "credential_source in [profile task] of CONFIG, line 53", "name another"},
		{"no such ca_bundle", "bundle", nil, "the file that ca_bundle names cannot be read", "ca_bundle in [profile bundle] of CONFIG, line 55", "let ca_bundle name"},
		{"no number", "patient", nil, "max_attempts = many is none of the whole numbers", "max_attempts in [profile patient] of CONFIG, line 57", "correct that setting"},
		{"no mode", "mode", nil, "retry_mode = never is none of", "retry_mode in [profile mode] of CONFIG, line 59", "correct that setting"},
		{"half a key", "half", nil, `profile "half" has aws_secret_access_key without aws_access_key_id`, "aws_secret_access_key in [profile half] of CONFIG, line 61", "add aws_access_key_id there"},
		{"half a key in the credentials file", "half keys", nil, `profile "half keys" has aws_access_key_id without aws_secret_access_key`, "aws_access_key_id in [half keys] of KEYS, line 2", "add aws_secret_access_key there"},
		{"no such AWS_CA_BUNDLE", "", map[string]string{"AWS_CA_BUNDLE": "/nonexistent/ca.pem"}, "the file that AWS_CA_BUNDLE names cannot be read", "AWS_CA_BUNDLE=/nonexistent/ca.pem", "or unset it"},
		{"an AWS_CA_BUNDLE without certificates", "", map[string]string{"AWS_CA_BUNDLE": "HOME/.aws/config"}, "the file that AWS_CA_BUNDLE names holds no PEM certificate", "AWS_CA_BUNDLE=", "PEM"},
		{"a web identity without a role", "", map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": "/token"}, "AWS_WEB_IDENTITY_TOKEN_FILE is set, and AWS_ROLE_ARN is not", "AWS_WEB_IDENTITY_TOKEN_FILE=/token", "set AWS_ROLE_ARN"},
		{"a variable that cannot be", "", map[string]string{"AWS_MAX_ATTEMPTS": "many"}, "AWS_MAX_ATTEMPTS", "", "that variable"},
		{"another machine's credentials", "", map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://192.0.2.1/keys"}, "AWS_CONTAINER_CREDENTIALS_FULL_URI leads to 192.0.2.1 without TLS", "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://192.0.2.1/keys", "unset"},
		{"no such profile", "nobody", nil, `from profile "nobody": there is no such profile`, "read CONFIG, and KEYS", "aws configure list-profiles"},
		{"a profile in the wrong form", "bare", nil, `from profile "bare": there is no such profile`, "there is [bare] in CONFIG, line 9; in the config file it must be [profile bare]", "aws configure list-profiles"},
		{"a file that does not exist", "dev", map[string]string{"AWS_CONFIG_FILE": "~/none"}, "there is no such profile", "read NONE (AWS_CONFIG_FILE), which does not exist, and KEYS", "aws configure list-profiles"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			home := withFiles(t, config, "[half keys]\naws_access_key_id = x\n")
			paths := strings.NewReplacer("CONFIG,", filepath.Join(home, ".aws", "config")+",", "CONFIG;", filepath.Join(home, ".aws", "config")+";", "of CONFIG", "of "+filepath.Join(home, ".aws", "config"), "HOME", home,
				"KEYS", filepath.Join(home, ".aws", "credentials"), "NONE", filepath.Join(home, "none"))
			for name, value := range tc.env {
				t.Setenv(name, strings.Replace(value, "HOME", home, 1))
			}
			args := []string{testenv.Orders, "--via", testenv.Jump}
			if tc.profile != "" {
				args = append(args, "--profile", tc.profile)
			}
			code, _, stderr := pgkeyless(t, args...)
			message, rest, _ := strings.Cut(stderr, "\n")
			detail, hint := "", rest
			if strings.HasPrefix(rest, "pgkeyless: detail: ") {
				detail, hint, _ = strings.Cut(rest, "\n")
			}
			if code != 1 || !strings.HasPrefix(message, "pgkeyless: error: no usable AWS credentials") || !strings.Contains(message, tc.message) ||
				!strings.Contains(detail, paths.Replace(tc.detail)) || !strings.HasPrefix(hint, "pgkeyless: hint: ") || !strings.Contains(hint, paths.Replace(tc.hint)) {
				t.Errorf("code %d, stderr\n%swant %q, %q, %q", code, stderr, tc.message, paths.Replace(tc.detail), tc.hint)
			}
		})
	}
}

// The detail is in the record, too.
func TestDetailIsStructured(t *testing.T) {
	home := withFiles(t, "[dev]\n", "")
	_, _, stderr := pgkeyless(t, testenv.Orders, "--via", testenv.Jump, "--profile", "dev", "-l")
	if record := decode(t, stderr); !strings.Contains(record["detail"], "there is [dev] in "+filepath.Join(home, ".aws", "config")) || record["hint"] == "" {
		t.Errorf("record %v", record)
	}
}

// A service has another home than the person who wrote the files.
func TestForeignHomeIsNoticed(t *testing.T) {
	home := testenv.Isolate(t)
	t.Setenv("AWS_CONFIG_FILE", "")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "")
	t.Setenv("USERPROFILE", home)
	if _, err := os.Stat(filepath.Join(home, ".aws")); err == nil {
		t.Fatal("there are shared files")
	}
	_, _, stderr := pgkeyless(t, testenv.Orders, "--via", testenv.Jump, "--profile", "dev")
	if want := "with the home directory " + home + " (HOME), while "; !strings.Contains(stderr, want) || !strings.Contains(stderr, "pgkeyless runs as user ") {
		t.Errorf("no %q in\n%s", want, stderr)
	}
}
