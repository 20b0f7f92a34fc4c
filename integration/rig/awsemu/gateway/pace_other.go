//go:build !linux

package gateway

import "time"

func kernelSleep(d time.Duration) { time.Sleep(d) }
