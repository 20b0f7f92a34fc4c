//go:build !linux

package awsemu

import "time"

func kernelSleep(d time.Duration) { time.Sleep(d) }
