//go:build !linux

package kit

import (
	"errors"
	"time"
)

// ChildOf finds nothing here.
func ChildOf(string) int { return 0 }

// ProcessCPU is unsupported here.
func ProcessCPU(int) (time.Duration, error) { return 0, errors.ErrUnsupported }

// EndedChildrenCPU is unsupported here.
func EndedChildrenCPU(int) (time.Duration, error) { return 0, errors.ErrUnsupported }

// ProcessRSS is unsupported here.
func ProcessRSS(int) (int, error) { return 0, errors.ErrUnsupported }
