//go:build !linux

package main

import "os/exec"

// endWithDemo does nothing: only Linux can.
func endWithDemo(*exec.Cmd) {}
