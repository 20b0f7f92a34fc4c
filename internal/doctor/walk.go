package doctor

import (
	"sync"
	"time"
)

// Status is how a stage ended.
type Status string

const (
	OK      Status = "ok"
	Warning Status = "warning"  // works, and something is to be told
	Skipped Status = "skipped"  // may not be asked; nothing depends on it
	LeftOut Status = "left_out" // this path has no such link
	Failed  Status = "failed"

	Interrupted Status = "interrupted" // the walk, by a signal
)

// Result is the end of one stage.
type Result struct {
	Stage  Stage
	Status Status
	Took   time.Duration
	Text   string   // what was found, or what is wrong
	Notes  []string // what else speaks for it, a line each
	Fix    string   // what to do, when there is something
	State  string   // SQLSTATE that a client would see, of a failure
}

// Printer shows a walk. Its methods are called by one goroutine at a time.
type Printer interface {
	Begin(Stage)
	End(Result)
	// Pause leaves the terminal to somebody else, until Resume.
	Pause()
	Resume()
	// Done ends the walk; failed is where it stopped, nil when all is good. One
	// that was interrupted between two stages has none.
	Done(failed *Result)
}

// Walk leads from stage to stage. Its methods may be called from several
// goroutines, of which only one has a stage at a time. After a failure nothing is
// told any more.
type Walk struct {
	printer Printer

	mu      sync.Mutex
	current *Stage
	began   time.Time
	failed  *Result
}

// New begins a walk that p shows.
func New(p Printer) *Walk { return &Walk{printer: p} }

// Begin begins stage.
func (w *Walk) Begin(s Stage) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed != nil {
		return
	}
	w.current, w.began = &s, time.Now()
	w.printer.Begin(s)
}

// OK ends the current stage well. The methods beside it end it otherwise.
func (w *Walk) OK(text string, notes ...string) { w.end(Result{Status: OK, Text: text, Notes: notes}) }

// Warn says that the stage is passed and a fix would be better done.
func (w *Walk) Warn(text, fix string, notes ...string) {
	w.end(Result{Status: Warning, Text: text, Fix: fix, Notes: notes})
}

// Skip says why what the stage looks at could not be asked.
func (w *Walk) Skip(why string) { w.end(Result{Status: Skipped, Text: why}) }

// LeaveOut says why the path has no such link.
func (w *Walk) LeaveOut(why string) { w.end(Result{Status: LeftOut, Text: why}) }

// Fail ends the walk: text is what is wrong, fix what to do about it.
func (w *Walk) Fail(r Result) {
	r.Status = Failed
	w.end(r)
}

func (w *Walk) end(r Result) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed != nil || w.current == nil {
		return
	}
	r.Stage, r.Took = *w.current, time.Since(w.began)
	w.current = nil
	w.printer.End(r)
	if r.Status == Failed {
		w.failed = &r
	}
}

// Aside runs f, which may ask a person something while a stage is under way.
func (w *Walk) Aside(f func()) {
	w.printing(w.printer.Pause)
	defer w.printing(w.printer.Resume)
	f()
}

func (w *Walk) printing(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// Interrupt ends the walk with an exit code, whatever stage is under way.
func (w *Walk) Interrupt(code int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed != nil {
		return
	}
	w.failed = &Result{Status: Interrupted, Stage: Stage{Code: code}}
	if w.current != nil {
		w.failed.Stage.ID, w.failed.Took = w.current.ID, time.Since(w.began)
		w.current = nil
	}
}

// Current is the stage under way, nil between two.
func (w *Walk) Current() *Stage {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.current
}

// HasFailed says whether the walk has ended before its time.
func (w *Walk) HasFailed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed != nil
}

// Done ends the walk and returns its exit code: that of the stage that failed or
// of Interrupt, else 0.
func (w *Walk) Done() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.printer.Done(w.failed)
	if w.failed == nil {
		return 0
	}
	return w.failed.Stage.Code
}
