package running

import (
	"fmt"
	"os"
	"path/filepath"
)

// Admin is where this user's commands ask a running proxy, and direct it.
type Admin struct {
	Network string `json:"network"` // "unix" or "tcp"
	Address string `json:"address"` // a path, or "host:port" on loopback
	// Secret is what a request over TCP must carry; a Unix socket's directory lets in
	// nobody else. It is in the registry's file alone, which nobody else can read.
	Secret string `json:"secret,omitempty"`
}

// Proxy is a running proxy of this user.
type Proxy struct {
	PID    int
	Served []Served // none while it drains
	Admin  *Admin   // nil where it cannot be asked
}

// Proxies are the running proxies of this user, in no order.
func Proxies() []Proxy {
	dir, err := defaultSocketDir()
	if err != nil {
		return nil
	}
	var all []Proxy
	for _, rec := range (registry{dir}).records() {
		all = append(all, Proxy(rec))
	}
	return all
}

// AdminSocket is the path for the Unix socket of this process, in the private
// directory. The error says why there can be none.
func AdminSocket() (string, error) {
	dir, err := defaultSocketDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, fmt.Sprintf("admin-%d.sock", os.Getpid())), nil
}
