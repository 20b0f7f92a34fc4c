package pgserver

import (
	"errors"
	"fmt"
	"syscall"
)

// account is the user that the server runs as. Windows has no part in this.
type account struct{}

func serverAccount() (*account, error) {
	return nil, fmt.Errorf("test servers need Unix sockets and signals: %w", errors.ErrUnsupported)
}

func (*account) own(string) error { return nil }

func (*account) reaches(string) bool { return true }

func (*account) sysProcAttr() *syscall.SysProcAttr { return nil }
