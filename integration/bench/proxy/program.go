package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/pgkeyless/pgkeyless/integration/bench/kit"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// client is one of PostgreSQL's programs, to be run as a client of s.
func (b *bench) client(ctx context.Context, s *side, program string, args ...string) (*exec.Cmd, error) {
	path := filepath.Join(b.database.BinDir(), program) // Debian's in PATH is a script in Perl
	if _, err := os.Stat(path); err != nil {
		if path, err = exec.LookPath(program); err != nil {
			return nil, err
		}
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = b.dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + b.dir, "PGCONNECT_TIMEOUT=30"}, s.libpq...)
	if s.token {
		token, err := kit.Token(ctx, b.binary, b.dir, b.env())
		if err != nil {
			return nil, err
		}
		cmd.Env = append(cmd.Env, "PGPASSWORD="+token)
	}
	return cmd, nil
}

// finish runs cmd; an error has its last words.
func finish(cmd *exec.Cmd) error {
	var words strings.Builder
	cmd.Stderr = &words
	if err := cmd.Run(); err != nil {
		lines := strings.Split(strings.TrimSpace(words.String()), "\n")
		return fmt.Errorf("%s: %w: %s", filepath.Base(cmd.Path), err, lines[len(lines)-1])
	}
	return nil
}

// fill makes the tables: pgbench's, and one to copy out. All users may read.
func (b *bench) fill(ctx context.Context) error {
	owner := b.secured(direct, b.database.Address())
	cmd, err := b.client(ctx, owner, "pgbench", "-i", "-q", "-s", "10")
	if err != nil {
		return err
	}
	if err := finish(cmd); err != nil {
		return err
	}
	conn, err := b.database.AdminConn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "create table bulk(line text)"); err != nil {
		return err
	}
	rows := kit.NewSource(b.plan.bulkRows * kit.RowLength)
	if _, err := conn.PgConn().CopyFrom(ctx, rows, "copy bulk from stdin"); err != nil {
		return err
	}
	for _, sql := range []string{
		"grant select on all tables in schema public to public",
		"grant temporary on database " + pgserver.Database + " to public",
		"vacuum (analyze) bulk",
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return err
		}
	}
	file, err := os.Create(b.bulkFile())
	if err != nil {
		return err
	}
	_, err = io.Copy(file, kit.NewSource(b.plan.bulkRows*kit.RowLength))
	return errors.Join(err, file.Close())
}

// bulkFile holds what is copied in.
func (b *bench) bulkFile() string { return filepath.Join(b.dir, "bulk") }
