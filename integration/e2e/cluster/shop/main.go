// Command shop is the application of the manifests in deploy/kubernetes. It connects to
// DATABASE_URL once, without trying again, and says who it is there.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/jackc/pgx/v5"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "shop:", err)
		os.Exit(1)
	}
}

// run does what task names: migrate and report end by themselves, serve on SIGTERM.
func run(ctx context.Context, task string) error {
	conn, err := pgx.Connect(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	var user string
	if err := conn.QueryRow(ctx, "select current_user").Scan(&user); err != nil {
		return err
	}
	fmt.Printf("%s: connected as %s\n", task, user)
	if task == "serve" {
		<-ctx.Done()
	}
	return nil
}
