//go:build !windows

package cli

// asStarted runs run: whatever starts a process here does so as a shell does.
func (a *app) asStarted(run func() int) int { return run() }
