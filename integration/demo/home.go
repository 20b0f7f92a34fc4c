package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// Files that the demo writes into its directory.
const (
	keysFile   = "credentials"
	configFile = "pgkeyless.yaml"
	sourceFile = "env.sh"
)

// settle writes what a user would have: keys in a file, a config file, and a file that
// another terminal can source. Neither the CA nor the registry's record outlives the
// demo.
func (d *demo) settle(dir string, keys lab.Credentials) error {
	d.dir = dir
	at := func(name string) string { return filepath.Join(dir, name) }
	d.env = []string{
		"AWS_SHARED_CREDENTIALS_FILE=" + at(keysFile), "AWS_CONFIG_FILE=" + at("config"), "AWS_REGION=" + lab.Region, "AWS_ENDPOINT_URL=" + d.aws.URL(),
		"AWS_EC2_METADATA_DISABLED=true", "XDG_STATE_HOME=" + dir, "XDG_RUNTIME_DIR=" + dir,
	}
	source := "# Source this in another terminal while the demo runs.\n"
	sourced := append(d.env, "PGKEYLESS_CONFIG_FILE="+at(configFile), "PGKEYLESS_CA_FILE="+d.caFile)
	if d.kind.arn == "" { // DSQL has a user of its own
		sourced = append(sourced, "PGKEYLESS_USER="+pgserver.AppUser)
	}
	for _, set := range sourced {
		name, value, _ := strings.Cut(set, "=")
		source += fmt.Sprintf("export %s='%s'\n", name, strings.ReplaceAll(value, "'", `'\''`))
	}
	source += fmt.Sprintf("export PATH='%s':\"$PATH\"\n", strings.ReplaceAll(filepath.Dir(d.binary), "'", `'\''`))
	source += "unset AWS_PROFILE AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN\n"
	for name, text := range map[string]string{
		keysFile:   fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\naws_session_token = %s\n", keys.AccessKeyID, keys.SecretAccessKey, keys.SessionToken),
		configFile: d.targetSection(),
		sourceFile: source,
	} {
		if err := os.WriteFile(at(name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// guide is what to type in another terminal.
func (d *demo) guide(page string) string {
	plain := cmp.Or(d.kind.plain, "a refusal that explains itself, twice: psql tries with TLS and without")
	return fmt.Sprintf(`
pgkeyless reaches %[1]s, which is PostgreSQL %[2]s
on this machine, %[3]s. It logs in with a new
IAM token each time. %[12]s
In another terminal:

    psql -h %[4]s -p %[5]s -U %[6]s %[7]s
    psql -h %[4]s -p %[5]s -U %[8]s %[7]s     # not in rds_iam: %[13]s

The commands of pgkeyless, with the emulated account:

    source %[9]s
    pgkeyless connect %[10]s                  # psql
    pgkeyless exec %[10]s -- env              # any program
    eval "$(pgkeyless env %[10]s)"            # variables for this shell
    pgkeyless list
    pgkeyless doctor %[10]s
    pgkeyless policy %[10]s
    pgkeyless status
    pgkeyless init                           # asks for a target, and writes a config file

The status page, which can end sessions:

    %[11]s

Ctrl-C ends the demo and removes all of it but the programs in bin/. It waits up to 30 s
for open sessions; press it twice not to wait. A shell with "pgkeyless env" keeps its
variables: close it.
`, d.kind.host, d.database.ServerVersion(), d.reaches(), d.host(), d.portText(), pgserver.AppUser, pgserver.Database, pgserver.PlainUser,
		filepath.Join(d.dir, sourceFile), d.kind.target, page, d.kind.says, plain)
}
