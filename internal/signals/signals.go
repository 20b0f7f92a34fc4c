package signals

import (
	"os"
	"os/signal"
	"syscall"
)

// Notify catches SIGINT, SIGTERM and, unless nohup has it ignored, SIGHUP: a
// closed terminal must not leave SSM sessions behind. Neither must a closed
// stderr, which Ctrl-C makes of `pgkeyless … 2>&1 | tee log`. stop gives the
// signals back.
func Notify() (caught <-chan os.Signal, stop func()) {
	c := make(chan os.Signal, 2)
	signal.Notify(c, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(c, syscall.SIGHUP)
	}
	// Caught rather than ignored: a program that we start would inherit that.
	pipe := make(chan os.Signal, 1)
	signal.Notify(pipe, syscall.SIGPIPE)
	return c, func() {
		signal.Stop(c)
		signal.Stop(pipe)
	}
}

// Quit stands among the signals for a request to end: `pgkeyless shutdown`, or POST
// /quitquitquit. What it ends counts as a success.
var Quit os.Signal = quit{}

type quit struct{}

func (quit) Signal()        {}
func (quit) String() string { return "shutdown request" }

// Stopped says that a signal ended the run, which is no fault.
type Stopped struct{ Signal os.Signal }

func (e *Stopped) Error() string { return "stopped by " + e.Signal.String() }

// Code is what a shell makes of a program that the signal has killed.
func (e *Stopped) Code() int {
	if s, ok := e.Signal.(syscall.Signal); ok {
		return 128 + int(s)
	}
	return 1
}
