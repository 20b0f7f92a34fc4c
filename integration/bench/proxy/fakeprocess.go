package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

// asFake is the argument that makes this program the database of a few lines: a
// process of its own, since both ends of so many connections take too many files
// for one. The files of its certificate and key follow.
const asFake = "fake-database"

// fakeProcess is such a process. It is the emulated AWS, too, whose agents reach
// the database without a socket.
type fakeProcess struct {
	Address string   // of the database
	Env     []string // of a pgkeyless that is to use that AWS

	end func()
}

// startFakeProcess starts one. The caller must call its end.
func (b *bench) startFakeProcess(ctx context.Context) (*fakeProcess, error) {
	chain, key, err := b.ca.Issue(lab.Host, "localhost")
	if err != nil {
		return nil, err
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	for name, content := range map[string][]byte{"fake.pem": chain, "fake-key.pem": key} {
		if err := os.WriteFile(filepath.Join(b.dir, name), content, 0o600); err != nil {
			return nil, err
		}
	}
	cmd := exec.CommandContext(ctx, program, asFake, filepath.Join(b.dir, "fake.pem"), filepath.Join(b.dir, "fake-key.pem"))
	cmd.Stderr = b.log
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &fakeProcess{end: func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	}}
	if err := json.NewDecoder(stdout).Decode(p); err != nil {
		p.end()
		return nil, fmt.Errorf("starting the fake database: %w", err)
	}
	return p, nil
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
	keys := lab.NewCredentials()
	aws, err := lab.StartAWS(keys, f.address(), func(c *awsemu.Config) {
		c.Pace = -1 // this is about memory
	})
	if err != nil {
		return err
	}
	defer aws.Close()
	aws.SetDial(func(context.Context, string, string) (net.Conn, error) { return f.dial() })
	if err := json.NewEncoder(os.Stdout).Encode(fakeProcess{Address: f.address(), Env: keys.Env(aws.URL())}); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}
