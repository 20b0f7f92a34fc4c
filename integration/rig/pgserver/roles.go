package pgserver

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// createRoles makes the roles and the database as an RDS user would, and notes
// the server's version.
func (s *Server) createRoles(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, adminURL(s.dir, s.port, superuser))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, sql := range []string{
		"CREATE ROLE rds_iam NOLOGIN",
		"CREATE ROLE " + AppUser + " LOGIN",
		"GRANT rds_iam TO " + AppUser,
		"CREATE ROLE " + PlainUser + " LOGIN PASSWORD '" + PlainPassword + "'",
		"CREATE DATABASE " + Database + " OWNER " + AppUser,
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("preparing roles: %w", err)
		}
	}
	return conn.QueryRow(ctx, "SHOW server_version").Scan(&s.version)
}
