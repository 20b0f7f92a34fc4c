package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Limits of one client, ample on two busy cores.
const (
	buildLimit = 5 * time.Minute
	runLimit   = 4 * time.Minute
)

// runOne builds a client and runs it once. What goes wrong is in the report.
func (r *runner) runOne(ctx context.Context, c client, w way) *report {
	c = c.by(w)
	p := &report{Client: c, Way: w}
	building, cancel := context.WithTimeout(ctx, buildLimit)
	defer cancel()
	work := filepath.Join(r.cache, c.Name)
	command, err := build(building, filepath.Join(r.source, c.Name), work)
	if err != nil {
		p.Err = fmt.Errorf("building: %w", err)
		return p
	}
	database := "for_" + strings.ReplaceAll(c.Name, "-", "_") + map[way]string{tunnelled: "_tunnel", rdsProxy: "_rds_proxy"}[w]
	if err := r.site.createDatabase(ctx, database); err != nil {
		p.Err = err
		return p
	}
	env, err := r.site.environment(database, w)
	if err != nil {
		p.Err = err
		return p
	}
	home, err := os.MkdirTemp("", "pgk-client-")
	if err != nil {
		p.Err = err
		return p
	}
	defer os.RemoveAll(home)
	if w == rdsProxy {
		env = append(env, "CHECKS="+strings.Join(c.RDSProxy, " "))
	}
	p.Err = p.execute(ctx, command, work, append(env, "HOME="+home, "TMPDIR="+home))
	return p
}

// execute runs the program and reads what it says.
func (p *report) execute(ctx context.Context, command []string, work string, env []string) error {
	ctx, cancel := context.WithTimeout(ctx, runLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir, cmd.Env = work, env
	cmd.WaitDelay = 5 * time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	read := p.read(stdout)
	if read != nil { // let it end all the same
		io.Copy(io.Discard, stdout)
	}
	err = cmd.Wait()
	p.Output = end(p.Output + stderr.String())
	if ctx.Err() != nil {
		err = fmt.Errorf("not done after %v", runLimit)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", strings.Join(command, " "), err)
	}
	return errors.Join(read, err)
}

// outputLimit is what is kept of a failed program's words; the end tells most.
const outputLimit = 4 << 10

func end(s string) string {
	if len(s) <= outputLimit {
		return s
	}
	return "…" + s[len(s)-outputLimit:]
}
