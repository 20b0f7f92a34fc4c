package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// populate gives the account what doctor and policy ask about.
func (d *demo) populate() {
	version, _, _ := strings.Cut(d.database.ServerVersion(), " ")
	d.aws.SetDatabases(d.kind.describe(d.kind, version))
	d.aws.SetFleet(awsemu.Fleet{Nodes: []awsemu.Node{{ID: lab.Target}}})
}

// checkCommands runs the commands that look at the path beside the proxy that
// serves it. Each must find all in place.
func (d *demo) checkCommands(ctx context.Context) error {
	target := d.targetArg("user=" + pgserver.AppUser)
	for _, command := range []struct {
		args []string
		says []string
	}{
		{[]string{"doctor", target}, append([]string{d.kind.id, "\nall good\n"}, d.kind.doctor...)},
		{[]string{"policy", target, "--format", "json"}, []string{
			fmt.Sprintf("arn:aws:rds-db:%s:%s:dbuser:%s/%s", lab.Region, lab.Account, d.kind.id, pgserver.AppUser), d.kind.via}},
		{[]string{"policy", target, "--check"}, []string{"in place  rds-db:connect", "and in rds_iam"}},
		{[]string{"status"}, append([]string{", serving\n", "page     http://localhost:"}, d.kind.status...)},
		{[]string{"list"}, []string{d.kind.target}},
	} {
		said, err := d.pgkeyless(ctx, command.args...)
		if err != nil {
			return err
		}
		fmt.Fprintf(d.out, "\n$ pgkeyless %s\n%s", strings.ReplaceAll(strings.Join(command.args, " "), target, "TARGET"), said)
		for _, part := range command.says {
			if !strings.Contains(said, part) {
				return fmt.Errorf("pgkeyless %s did not say %q", command.args[0], part)
			}
		}
	}
	return nil
}

// pgkeyless runs a command to its end, and returns what it printed.
func (d *demo) pgkeyless(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, d.binary, args...)
	cmd.Env = append(d.env, "PATH="+os.Getenv("PATH"))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("pgkeyless %s: %w\n%s%s", args[0], err, &stdout, &stderr)
	}
	return stdout.String(), nil
}

// page asks pgkeyless for the address of its status page.
func (d *demo) page(ctx context.Context) (string, error) {
	out, err := d.pgkeyless(ctx, "status", "--json")
	if err != nil {
		return "", err
	}
	var all []struct{ Proxy struct{ Page string } }
	if err := json.Unmarshal([]byte(out), &all); err != nil || len(all) != 1 || all[0].Proxy.Page == "" {
		return "", fmt.Errorf("pgkeyless status names no page: %s", out)
	}
	return all[0].Proxy.Page, nil
}
