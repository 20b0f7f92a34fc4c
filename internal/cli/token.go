package cli

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/targets"
)

func (a *app) tokenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token TARGET --user NAME",
		Short: "Print an IAM token for one login",
		Long: `Print an IAM token: a password that logs NAME in to the database for the next 15
minutes. stdout has nothing else. pgkeyless signs the token locally, without
asking the database, so only a login shows whether it works.

A user whose password is in a secret (option secret) has no token: the command
fails, and says how to read the password.

The command accepts all options of a target, so that you can reuse the command
line of serve. Options about connecting or listening have no effect.`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeTarget,
		RunE:              a.token,
	}
	a.addFlags(cmd, func(o config.Option) bool {
		return o.PerTarget() || o.NamesTarget() || o.Name == "structured-logs" || o.Name == "config-file"
	})
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		switch f.Name {
		case "user":
			f.Usage = "database user for the token; required, but for Aurora DSQL, where it is admin"
		case "region", "profile", "mfa-command", "sso-login", "structured-logs", "config-file", "endpoint", "rds-instance", "rds-cluster":
		default:
			f.Hidden = true // accepted without effect
		}
	})
	return cmd
}

func (a *app) token(cmd *cobra.Command, args []string) error {
	target, run, err := config.LoadOne(a.input(args))
	if err != nil {
		return err
	}
	if target.User == "" && target.Ref == "" && target.Secret == "" && !target.DSQL() { // nobody needs to be asked where that leads
		return causes.Misuse("no database user given", "a token is for one user: add --user NAME")
	}
	token, err := targets.IAMToken(cmd.Context(), target, a.profiles(run))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.stdout, token.Reveal())
	return err
}
