package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// words are what lines begin with.
var words = map[Status]string{OK: "ok", Warning: "warn", Skipped: "skip", LeftOut: "-", Failed: "FAIL"}

// indent is that of what belongs to the line above.
const indent = "      "

// line is r for people, of one line and those that belong to it.
func line(r Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-5s %-18s %8s  %s\n", words[r.Status], r.Stage.ID, seconds(r.Took), r.Text)
	for _, note := range r.Notes {
		fmt.Fprintf(&b, "%snote: %s\n", indent, note)
	}
	if r.Fix != "" {
		fmt.Fprintf(&b, "%sfix: %s\n", indent, r.Fix)
	}
	return b.String()
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f s", d.Seconds()) }

// verdict is the last line.
func verdict(failed *Result) string {
	switch {
	case failed == nil:
		return "\nall good\n"
	case failed.Status == Interrupted && failed.Stage.ID != "":
		return fmt.Sprintf("\ninterrupted at %s\n", failed.Stage.ID)
	case failed.Status == Interrupted:
		return "\ninterrupted\n"
	}
	return fmt.Sprintf("\nstopped at %s: later checks did not run\n", failed.Stage.ID)
}

// Plain writes a line when a stage has ended.
type Plain struct{ w io.Writer }

// NewPlain is for files and pipes.
func NewPlain(w io.Writer) *Plain { return &Plain{w} }

func (p *Plain) Begin(Stage)         {}
func (p *Plain) Pause()              {}
func (p *Plain) Resume()             {}
func (p *Plain) End(r Result)        { io.WriteString(p.w, line(r)) }
func (p *Plain) Done(failed *Result) { io.WriteString(p.w, verdict(failed)) }

// clearLine goes back to the line's start and empties it.
//
// Source: ECMA-48, CR and EL.
const clearLine = "\r\x1b[K"

// spinEvery is how often the line of a stage under way is written anew.
const spinEvery = 100 * time.Millisecond

// Terminal shows the stage under way with its time, and then its result in the
// same line.
type Terminal struct {
	w     io.Writer
	stage Stage     // under way, when it has an ID
	began time.Time // of stage
	stop  chan struct{}
	spun  sync.WaitGroup
}

// NewTerminal is for terminals.
func NewTerminal(w io.Writer) *Terminal { return &Terminal{w: w} }

func (t *Terminal) Begin(s Stage) {
	t.stage, t.began = s, time.Now()
	t.Resume()
}

// Resume lets the stage under way spin, if there is one.
func (t *Terminal) Resume() {
	if t.stage.ID == "" {
		return
	}
	t.stop = make(chan struct{})
	t.show(t.stage, time.Since(t.began))
	t.spun.Go(func() {
		tick := time.NewTicker(spinEvery)
		defer tick.Stop()
		for {
			select {
			case <-t.stop:
				return
			case <-tick.C:
				t.show(t.stage, time.Since(t.began))
			}
		}
	})
}

func (t *Terminal) show(s Stage, took time.Duration) {
	turn := `|/-\`[int(took/spinEvery)%4]
	fmt.Fprintf(t.w, "%s%-5c %-18s %8s", clearLine, turn, s.ID, fmt.Sprintf("%.1f s", took.Seconds()))
}

// Pause ends the spinning and empties the line.
func (t *Terminal) Pause() {
	if t.stop != nil {
		close(t.stop)
		t.spun.Wait()
		t.stop = nil
		io.WriteString(t.w, clearLine)
	}
}

func (t *Terminal) End(r Result) {
	t.Pause()
	t.stage = Stage{}
	io.WriteString(t.w, line(r))
}

func (t *Terminal) Done(failed *Result) {
	t.Pause()
	t.stage = Stage{}
	io.WriteString(t.w, verdict(failed))
}

// JSON writes an object for each stage as it ends, one a line, and one for the
// whole at the end.
type JSON struct{ enc *json.Encoder }

// NewJSON is for programs.
func NewJSON(w io.Writer) *JSON {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return &JSON{enc}
}

// stageObject is a stage in JSON. Times are seconds.
type stageObject struct {
	Stage    string   `json:"stage"`
	Status   Status   `json:"status"`
	Seconds  float64  `json:"seconds"`
	Text     string   `json:"text"`
	Notes    []string `json:"notes,omitempty"`
	Fix      string   `json:"fix,omitempty"`
	SQLState string   `json:"sqlstate,omitempty"`
}

// resultObject is the last line. Result is "ok", "failed" or "interrupted".
type resultObject struct {
	Result   Status `json:"result"`
	Stage    string `json:"failed_stage,omitempty"`
	ExitCode int    `json:"exit_code"`
}

func (j *JSON) Begin(Stage) {}
func (j *JSON) Pause()      {}
func (j *JSON) Resume()     {}

func (j *JSON) End(r Result) {
	_ = j.enc.Encode(stageObject{r.Stage.ID, r.Status, r.Took.Round(time.Microsecond).Seconds(), r.Text, r.Notes, r.Fix, r.State})
}

func (j *JSON) Done(failed *Result) {
	end := resultObject{Result: OK}
	if failed != nil {
		end = resultObject{failed.Status, failed.Stage.ID, failed.Stage.Code}
	}
	_ = j.enc.Encode(end)
}
