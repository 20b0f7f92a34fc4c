package supervisor

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/windows/svc"
)

const (
	// startHint is how long a start may take without a word: targets that are named by
	// identifier are looked up first.
	startHint = 2 * time.Minute
	// stopStep is how often the service manager hears that a drain goes on, and
	// stopHint how long it waits for the next word.
	stopStep = 2 * time.Second
	stopHint = 10 * time.Second

	accepted = svc.AcceptStop | svc.AcceptShutdown | svc.AcceptPreShutdown | svc.AcceptParamChange
)

// Service runs the process as a Windows service: a stop, and the machine's shutdown,
// are SIGTERM; `sc control pgkeyless paramchange` is SIGHUP.
//
// Source: Microsoft, Service Control Handler Function; Service Status Functions.
type Service struct {
	signals chan os.Signal
	states  chan svc.State
	run     func() int
	code    int
	once    sync.Once // for the one SIGTERM: a second one would cut sessions
}

// NewService returns nil where the process was not started as a service.
func NewService() *Service {
	if is, err := svc.IsWindowsService(); err != nil || !is {
		return nil
	}
	return &Service{signals: make(chan os.Signal, 2), states: make(chan svc.State, 4)}
}

// Run calls run, which gets its signals by Notify, and returns its exit code.
func (s *Service) Run(run func() int) int {
	s.run = run
	if err := svc.Run("", s); err != nil { // the name does not matter to a process of one service
		return 1
	}
	return s.code
}

// Notify is signals.Notify for a service.
func (s *Service) Notify() (caught <-chan os.Signal, stop func()) { return s.signals, func() {} }

// Execute is called by svc.Run.
func (s *Service) Execute(_ []string, requests <-chan svc.ChangeRequest, changes chan<- svc.Status) (specific bool, code uint32) {
	now := svc.Status{State: svc.StartPending, Accepts: 0, WaitHint: uint32(startHint.Milliseconds())}
	changes <- now
	done := make(chan int, 1)
	go func() { done <- s.run() }()
	step := time.NewTicker(stopStep)
	defer step.Stop()
	enter := func(state svc.State) {
		switch {
		case now.State == svc.StopPending:
			return
		case state == svc.StopPending:
			now = svc.Status{State: state, WaitHint: uint32(stopHint.Milliseconds())}
		default:
			now = svc.Status{State: state, Accepts: accepted}
		}
		changes <- now
	}
	for {
		select {
		case s.code = <-done:
			if clean := s.code == 0 || s.code == 128+int(syscall.SIGTERM); clean {
				return false, 0
			}
			return true, uint32(s.code)
		case state := <-s.states:
			enter(state)
		case <-step.C:
			if now.State == svc.StopPending {
				now.CheckPoint++
				changes <- now
			}
		case r := <-requests:
			switch r.Cmd {
			case svc.Interrogate:
				changes <- now
			case svc.Stop, svc.Shutdown, svc.PreShutdown:
				s.once.Do(func() { s.signals <- syscall.SIGTERM })
				enter(svc.StopPending)
			case svc.ParamChange:
				select {
				case s.signals <- syscall.SIGHUP:
				default: // one waits already
				}
			}
		}
	}
}

// Ready says that clients are served.
func (s *Service) Ready(string) { s.tell(svc.Running) }

// Reloading is nothing that the service manager knows of.
func (s *Service) Reloading() {}

// Stopping says that the run ends.
func (s *Service) Stopping(string, time.Duration) { s.tell(svc.StopPending) }

// Keep has nothing to tell: the service manager has no status line and no watchdog.
func (s *Service) Keep(context.Context, func() string, Alive) {}

func (s *Service) tell(state svc.State) {
	select {
	case s.states <- state:
	default: // Execute has ended
	}
}

// maxLog is how many bytes the log of a service may have before it is begun anew. The
// one before is kept.
const maxLog = 10 << 20

// Log is where a service writes what a terminal would get: LogPath, or nowhere when
// that cannot be opened.
func (s *Service) Log() io.Writer {
	path, err := LogPath()
	if err != nil {
		return io.Discard
	}
	return &LogFile{Path: path, Max: maxLog}
}

// LogPath is the file in which a service of this account logs.
func LogPath() (string, error) {
	dir, err := os.UserCacheDir() // %LocalAppData%
	return filepath.Join(dir, "pgkeyless", "service.log"), err
}
