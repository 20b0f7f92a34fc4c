package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/pgkeyless/pgkeyless/auth"
	"github.com/pgkeyless/pgkeyless/internal/discover"
	"github.com/pgkeyless/pgkeyless/internal/evidence"
	"github.com/pgkeyless/pgkeyless/internal/policy"
	"github.com/spf13/cobra"
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
		Use:   "policy TARGET --user NAME [--format text|json|terraform] [--check]",
		Short: "Print the IAM policy and the SQL that a target needs, or check them",
		Long: `Print what it takes that an identity may log in to TARGET as NAME: the IAM policy,
the least that works; the SQL; and what the jump host needs. ARNs are real as far
as your credentials may ask for them. What is not known stands as a placeholder,
which stderr names with the command that finds it.

--format json prints the policy alone, terraform an aws_iam_policy_document.

--check looks instead which parts are in place: the identity's permissions, by
IAM's policy simulation; IAM authentication of the database; and, by logging in,
that the user is in rds_iam.

Exit codes:
    0  printed and complete; with --check, all is in place
    1  the command line cannot be followed, or the target is not found
    2  a placeholder is left; with --check, something is missing
    3  with --check, nothing is known to be missing, but not all could be looked at
  130  interrupted`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if policyFormats[format] == nil {
				return &usageError{fmt.Sprintf("--format: %q is none of text, json, terraform", format), "text is for people, json the policy alone"}
			}
			if check && format != "text" {
				return &usageError{"--check prints no policy, so that --format has no effect", "leave out one of the two"}
			}
			return a.policy(cmd.Context(), args, format, check)
		},
	}
	a.addFlags(cmd, forOneProgram)
	cmd.Flags().StringVar(&format, "format", format, "text, json or terraform")
	cmd.Flags().BoolVar(&check, "check", false, "look which parts are in place")
	return cmd
}

func (a *app) policy(ctx context.Context, args []string, format string, check bool) error {
	t, run, err := a.loadServable(args)
	if err != nil {
		return err
	}
	return a.withCheckup(ctx, t, run, nil, func(ctx context.Context, c *checkup) error {
		if !c.named {
			c.user = "" // nobody is let in by guess
		}
		if err := c.locate(ctx); err != nil {
			return err
		}
		c.aws = c.login.aws
		c.caller, _, err = evidence.Identify(ctx, c.aws)
		if bad, ok := errors.AsType[*auth.CredentialsError](auth.Explain(t.Profile, err)); ok && check {
			return bad
		}
		described := c.describe(ctx)
		if check {
			return a.checkParts(ctx, c, described)
		}
		if errors.Is(described, discover.ErrNotFound) {
			fmt.Fprintf(a.stderr, "pgkeyless: warning: %s\n", oneLine(described.Error()))
		}
		return a.printPolicy(c.facts(), format)
	})
}

// printPolicy prints what is needed on stdout, and what is not known on stderr.
func (a *app) printPolicy(f policy.Facts, format string) error {
	if _, err := io.WriteString(a.stdout, policyFormats[format](f)); err != nil {
		return err
	}
	gaps := f.Unknown()
	for _, gap := range gaps {
		fmt.Fprintf(a.stderr, "pgkeyless: %s stands for %s\n", gap.Placeholder, gap.What)
	}
	if len(gaps) > 0 {
		return &ended{policyIncomplete}
	}
	return nil
}
