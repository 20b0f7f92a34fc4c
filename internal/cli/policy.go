package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/checkup"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/policy"
)

// Exit codes of policy beside 0 and 1.
const (
	policyIncomplete = 2 // a placeholder is left, or with --check something is missing
	policyUnchecked  = 3 // with --check: nothing is known to be missing, but not all could be looked at
)

// policyFormats are what --format takes.
var policyFormats = map[string]func(policy.Facts) string{"text": policy.Text, "json": policy.JSON, "terraform": policy.Terraform}

func (a *app) policyCommand() *cobra.Command {
	format, check := "text", false
	cmd := &cobra.Command{
		Use:   "policy TARGET --user NAME [--format FORMAT] [--check]",
		Short: "Print or check the IAM policy and the SQL that a target needs",
		Long: `Print what an identity needs to log in to TARGET as NAME: the least IAM policy
that works, the SQL, and what the jump host needs. ARNs are real if your
credentials may look them up. Otherwise there is a placeholder, and stderr
names it with the command that finds the value.

--format json prints the policy only, terraform an aws_iam_policy_document.

--check reports which parts are in place instead: the identity's permissions,
from IAM's policy simulation; IAM authentication of the database; and, by
logging in, whether the user is in rds_iam.

Exit codes:
    0  printed and complete; with --check, everything is in place
    1  the command line is wrong, or the target was not found
    2  a placeholder is left; with --check, something is missing
    3  with --check, nothing seems to be missing, but a check was not possible
  130  interrupted`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeTarget,
		RunE: func(cmd *cobra.Command, args []string) error {
			if policyFormats[format] == nil {
				return causes.Misuse(fmt.Sprintf("--format: %q is none of text, json, terraform", format), "text is for people, json the policy only")
			}
			if check && format != "text" {
				return causes.Misuse("--check prints no policy, so that --format has no effect", "leave out one of the two")
			}
			return a.policy(cmd.Context(), args, format, check)
		},
	}
	a.addFlags(cmd, forOneProgram)
	cmd.Flags().StringVar(&format, "format", format, "text, json or terraform")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]cobra.Completion{"text", "json", "terraform"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.Flags().BoolVar(&check, "check", false, "report which parts are in place")
	return cmd
}

func (a *app) policy(ctx context.Context, args []string, format string, check bool) error {
	t, run, err := a.loadServed(args)
	if err != nil {
		return err
	}
	return a.withCheckup(ctx, t, run, nil, func(ctx context.Context, c *checkup.Checkup) error {
		if check {
			parts, err := c.Parts(ctx)
			if err != nil {
				return err
			}
			return a.printParts(parts)
		}
		facts, unlisted, err := c.Policy(ctx)
		if err != nil {
			return err
		}
		if unlisted != nil {
			fmt.Fprintf(a.stderr, "pgkeyless: warning: %s\n", display.Line(unlisted.Error()))
		}
		return a.printPolicy(facts, format)
	})
}

// printPolicy prints what is needed on stdout, and what is not known on stderr.
func (a *app) printPolicy(f policy.Facts, format string) error {
	if _, err := io.WriteString(a.screen(), policyFormats[format](f)); err != nil {
		return err
	}
	gaps := f.Unknown()
	for _, gap := range gaps {
		fmt.Fprintf(a.stderr, "pgkeyless: %s means %s\n", gap.Placeholder, gap.What)
	}
	if len(gaps) > 0 {
		return &ended{policyIncomplete}
	}
	return nil
}

// printParts prints what is in place and what is not.
func (a *app) printParts(parts []checkup.Part) error {
	code := 0
	for _, p := range parts {
		if _, err := io.WriteString(a.screen(), p.String()); err != nil {
			return err
		}
		switch {
		case p.Presence == checkup.Missing:
			code = policyIncomplete
		case p.Presence == checkup.NotKnown && code == 0:
			code = policyUnchecked
		}
	}
	if code != 0 {
		return &ended{code}
	}
	return nil
}
