package sharedfiles

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"
)

// home gives the test files of its own in a new home.
func home(t *testing.T, config, credentials string) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("USERPROFILE", dir)
	t.Setenv(ConfigVariable, "")
	t.Setenv(CredentialsVariable, "")
	if err := os.MkdirAll(filepath.Join(dir, ".aws"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"config": config, "credentials": credentials} {
		if err := os.WriteFile(filepath.Join(dir, ".aws", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func inUTF16(text string, little bool) string {
	units := append([]uint16{0xFEFF}, utf16.Encode([]rune(text))...)
	var b strings.Builder
	for _, u := range units {
		if little {
			b.Write([]byte{byte(u), byte(u >> 8)})
		} else {
			b.Write([]byte{byte(u >> 8), byte(u)})
		}
	}
	return b.String()
}

// Each text is a config file in which profile dev has the region eu-west-1.
func TestFilesOfEverySystem(t *testing.T) {
	const plain = "[default]\nregion = us-east-1\n\n[profile dev]\noutput = json\nregion = eu-west-1\n"
	for name, text := range map[string]string{
		"plain":                       plain,
		"no newline at the end":       strings.TrimRight(plain, "\n"),
		"CRLF":                        strings.ReplaceAll(plain, "\n", "\r\n"),
		"CR":                          strings.ReplaceAll(plain, "\n", "\r"),
		"byte order mark":             "\uFEFF[profile dev]\nregion=eu-west-1\n",
		"UTF-16 of PowerShell":        inUTF16(strings.ReplaceAll(plain, "\n", "\r\n"), true),
		"UTF-16 big endian":           inUTF16(plain, false),
		"two spaces":                  "[profile  dev]\nregion=eu-west-1",
		"a tab":                       "[profile\tdev]\nregion=eu-west-1",
		"double quotes":               `[profile "dev"]` + "\nregion=eu-west-1",
		"single quotes":               `[profile 'dev']` + "\nregion=eu-west-1",
		"spaces in the brackets":      "[ profile dev ]\nregion=eu-west-1",
		"comment behind the brackets": "[profile dev] # mine\nregion=eu-west-1",
		"junk behind the brackets":    "[profile dev] mine\nregion=eu-west-1",
		"comment lines":               "# a\n; b\n[profile dev]\n  # c\nregion=eu-west-1",
		"comment behind the value":    "[profile dev]\nregion=eu-west-1 # Ireland",
		"quoted value":                "[profile dev]\nregion=\"eu-west-1\"",
		"colon":                       "[profile dev]\nregion: eu-west-1",
		"tabs around":                 "[profile dev]\nregion\t=\teu-west-1\t",
		"key in capitals":             "[profile dev]\nRegion = eu-west-1",
		"all indented":                "[profile dev]\n  output = json\n  region = eu-west-1",
		"the second indented":         "[profile dev]\noutput = json\n  region = eu-west-1",
		"a nested key before":         "[profile dev]\ns3 =\n  max_concurrent_requests = 20\n  region = x\nregion = eu-west-1",
		"the section twice":           "[profile dev]\noutput = json\n[profile other]\n[profile dev]\nregion=eu-west-1",
		"the key twice":               "[profile dev]\nregion=us-east-1\nregion=eu-west-1",
		"a key before any section":    "region = x\n[profile dev]\nregion=eu-west-1",
		"a line that is nothing":      "[profile dev]\noutput\nregion=eu-west-1",
	} {
		t.Run(name, func(t *testing.T) {
			home(t, text, "")
			dev, ok := Read().Profile("dev")
			if got := dev.Get("region"); !ok || got != "eu-west-1" {
				t.Errorf("region %q, found %v, in\n%s", got, ok, text)
			}
		})
	}
}

// What a shell reads keeps its quotes and "#", and may go over several lines.
func TestCommandsStayAsTheyAre(t *testing.T) {
	home(t, `[profile a]
credential_process = "C:\Program Files\tool.exe" --key "a # b"
[profile b]
credential_process = tool
    --one
    two
region = eu-west-1
`, "")
	files := Read()
	a, _ := files.Profile("a")
	if got, want := a.Get("credential_process"), `"C:\Program Files\tool.exe" --key "a # b"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	b, _ := files.Profile("b")
	if got, want := b.Get("credential_process"), "tool\n--one\ntwo"; got != want || b.Get("region") != "eu-west-1" {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNamesWithSpaces(t *testing.T) {
	home(t, "[profile my dev]\nregion = a\n[profile \"my prod\"]\nregion = b\n[sso-session \"our corp\"]\nsso_region = c\n[services local]\nssm =\n  endpoint_url = http://localhost:1\n", "[my keys]\nregion = d\n")
	files := Read()
	for name, want := range map[string]string{"my dev": "a", "my prod": "b", "my keys": "d"} {
		if s, ok := files.Profile(name); !ok || s.Get("region") != want {
			t.Errorf("profile %q: region %q, found %v, want %q", name, s.Get("region"), ok, want)
		}
	}
	if s, ok := files.SSOSession("our corp"); !ok || s.Get("sso_region") != "c" {
		t.Errorf("sso-session: %q, found %v", s.Get("sso_region"), ok)
	}
	if s, ok := files.Services("local"); !ok || s.Nested("ssm")["endpoint_url"] != "http://localhost:1" {
		t.Errorf("services: %v, found %v", s.Nested("ssm"), ok)
	}
}

// Keys of the credentials file override those of the config file, as a group.
func TestFilesAreMerged(t *testing.T) {
	dir := home(t, "[profile dev]\nregion = eu-west-1\naws_access_key_id = old\naws_secret_access_key = old\naws_session_token = old\n[profile only]\nregion = x\n",
		"[dev]\naws_access_key_id = new\naws_secret_access_key = new2\n")
	dev, _ := Read().Profile("dev")
	if dev.Get("aws_access_key_id") != "new" || dev.Get("aws_secret_access_key") != "new2" || dev.Get("aws_session_token") != "" || dev.Get("region") != "eu-west-1" {
		t.Errorf("keys %q, %q, %q, region %q", dev.Get("aws_access_key_id"), dev.Get("aws_secret_access_key"), dev.Get("aws_session_token"), dev.Get("region"))
	}
	if got, want := dev.Where("aws_access_key_id"), "aws_access_key_id in [dev] of "+filepath.Join(dir, ".aws", "credentials")+", line 2"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := dev.Where("region"), "region in [profile dev] of "+filepath.Join(dir, ".aws", "config")+", line 2"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestMistakenSectionsAreNoticed(t *testing.T) {
	for _, tc := range []struct{ config, credentials, name, want string }{
		{"[dev]\nregion = x\n", "", "dev", "there is [dev] in CONFIG, line 1; in the config file it must be [profile dev]"},
		{"[Profile dev]\n", "", "dev", "there is [Profile dev] in CONFIG, line 1; in the config file it must be [profile dev]"},
		{"[profile Dev]\n", "", "dev", "there is [profile Dev] in CONFIG, line 1; in the config file it must be [profile dev]"},
		{"[profiledev]\n", "", "dev", "there is [profiledev] in CONFIG, line 1; in the config file it must be [profile dev]"},
		{"[my dev]\n", "", "my dev", `there is [my dev] in CONFIG, line 1; in the config file it must be [profile "my dev"]`},
		{"", "\n[profile dev]\n", "dev", "there is [profile dev] in CREDENTIALS, line 2; in the credentials file it must be [dev]"},
		{"", "[DEV]\n", "dev", "there is [DEV] in CREDENTIALS, line 1; in the credentials file it must be [dev]"},
		{"[profile other]\n", "[another]\n", "dev", ""},
	} {
		dir := home(t, tc.config, tc.credentials)
		files := Read()
		if _, ok := files.Profile(tc.name); ok {
			t.Errorf("%q and %q: there is a profile %q", tc.config, tc.credentials, tc.name)
		}
		want := strings.NewReplacer("CONFIG", filepath.Join(dir, ".aws", "config"), "CREDENTIALS", filepath.Join(dir, ".aws", "credentials")).Replace(tc.want)
		if got := files.Near(tc.name); got != want {
			t.Errorf("%q and %q: %q, want %q", tc.config, tc.credentials, got, want)
		}
	}
}

func TestPathsAreExpanded(t *testing.T) {
	dir := home(t, "", "")
	t.Setenv("SOMEWHERE", filepath.Join(dir, "x"))
	for given, want := range map[string]string{
		"~":                   dir,
		"~/aws/config":        dir + "/aws/config",
		"$SOMEWHERE/config":   filepath.Join(dir, "x") + "/config",
		"${SOMEWHERE}/config": filepath.Join(dir, "x") + "/config",
		"$NOWHERE_AT_ALL/c":   "$NOWHERE_AT_ALL/c",
		"a~b":                 "a~b",
	} {
		if got := Expand(given); got != want {
			t.Errorf("%s: %s, want %s", given, got, want)
		}
	}
	t.Setenv(ConfigVariable, "~/mine")
	if files := Read(); files.Config.Path != filepath.Join(dir, "mine") || files.Config.State() != filepath.Join(dir, "mine")+" (AWS_CONFIG_FILE), which does not exist" {
		t.Errorf("the config file is %s: %s", files.Config.Path, files.Config.State())
	}
}

// A directory in place of the file, and a file that nobody may read, are said.
func TestUnreadableFilesSayWhy(t *testing.T) {
	dir := home(t, "[default]\nregion\n", "")
	if got, want := Read().Config.State(), filepath.Join(dir, ".aws", "config")+" (line 2 is neither a section nor a setting)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	t.Setenv(CredentialsVariable, dir)
	if got := Read().Credentials.State(); !strings.HasPrefix(got, dir+" (AWS_SHARED_CREDENTIALS_FILE), which cannot be read (") {
		t.Errorf("got %q", got)
	}
}
