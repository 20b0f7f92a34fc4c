//go:build !linux

package main

import (
	"errors"
	"time"
)

func childOf(string) int { return 0 }

func processCPU(int) (time.Duration, error) { return 0, errors.ErrUnsupported }

func processRSS(int) (int, error) { return 0, errors.ErrUnsupported }
