package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/pgkeyless/pgkeyless/integration/lab"
)

// asFake is the argument that makes this program the database of a few lines: a
// process of its own, since both ends of so many connections take too many files
// for one. The files of its certificate and key follow.
const asFake = "fake-database"

// startFakeProcess returns its address, and what ends it.
func (b *bench) startFakeProcess(ctx context.Context) (address string, end func(), err error) {
	chain, key, err := b.ca.Issue(lab.Host, "localhost")
	if err != nil {
		return "", nil, err
	}
	program, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	for name, content := range map[string][]byte{"fake.pem": chain, "fake-key.pem": key} {
		if err := os.WriteFile(filepath.Join(b.dir, name), content, 0o600); err != nil {
			return "", nil, err
		}
	}
	cmd := exec.CommandContext(ctx, program, asFake, filepath.Join(b.dir, "fake.pem"), filepath.Join(b.dir, "fake-key.pem"))
	cmd.Stderr = b.log
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	end = func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		end()
		return "", nil, fmt.Errorf("starting the fake database: %w", err)
	}
	return strings.TrimSpace(line), end, nil
}

// serveFake is that process. It ends with its stdin.
func serveFake(chainFile, keyFile string) error {
	chain, err := os.ReadFile(chainFile)
	if err != nil {
		return err
	}
	key, err := os.ReadFile(keyFile)
	if err != nil {
		return err
	}
	f, err := startFake(chain, key)
	if err != nil {
		return err
	}
	defer f.close()
	fmt.Println(f.address())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}
