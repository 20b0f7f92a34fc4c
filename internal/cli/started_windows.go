package cli

import "github.com/pgkeyless/pgkeyless/internal/supervisor"

// asStarted runs run, as a service if that is how the process was started: signals
// come from the service manager then, and the log goes into a file.
func (a *app) asStarted(run func() int) int {
	s := supervisor.NewService()
	if s == nil {
		return run()
	}
	a.notify, a.supervisor, a.stderr = s.Notify, s, &lockedWriter{w: s.Log()}
	return s.Run(run)
}
