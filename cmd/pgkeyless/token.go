package main

import (
	"fmt"

	"github.com/pgkeyless/pgkeyless/config"
	"github.com/spf13/cobra"
)

func (a *app) tokenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token TARGET --user NAME",
		Short: "Print an IAM token for one login",
		Long: `Print an IAM token, a password that logs NAME in to the database for the next 15
minutes. Nothing else is printed on stdout. The token is signed here, without a
call to the database; only a login proves it.`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              a.token,
	}
	a.addFlags(cmd, func(o config.Option) bool {
		switch o.Name {
		case "user", "region", "profile", "structured-logs":
			return true
		}
		return false
	})
	return cmd
}

func (a *app) token(cmd *cobra.Command, args []string) error {
	target, _, err := config.LoadOne(a.input(args))
	if err != nil {
		return err
	}
	if target.User == "" {
		return &usageError{"no database user given", "a token is for one user: add --user NAME"}
	}
	token, err := iamToken(cmd.Context(), target)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.stdout, token)
	return err
}
