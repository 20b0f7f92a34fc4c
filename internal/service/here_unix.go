//go:build !windows

package service

import (
	"os"
	"os/user"
	"path/filepath"
	"runtime"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// Here is the manager of this machine.
func Here() (Manager, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return nil, causes.MisuseOf(err, "set HOME to your home directory")
	}
	if runtime.GOOS == "darwin" {
		return Launchd{Home: home, UID: os.Getuid(), Run: Exec}, nil
	}
	config := os.Getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(config) {
		config = filepath.Join(home, ".config")
	}
	s := Systemd{Config: config, Run: Exec}
	if u, err := user.Current(); err == nil {
		s.User = u.Username
	}
	return s, nil
}
