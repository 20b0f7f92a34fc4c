package awsemu

import (
	"net/http"
	"time"
)

// SetClock puts AWS's clock ahead of this machine's by ahead, or behind it:
// answers are dated so, and signatures judged.
func (e *Emulator) SetClock(ahead time.Duration) { e.ahead.Store(int64(ahead)) }

// now is the time by AWS's clock.
func (e *Emulator) now() time.Time { return time.Now().Add(time.Duration(e.ahead.Load())) }

func (e *Emulator) date(w http.ResponseWriter) {
	w.Header().Set("Date", e.now().UTC().Format(http.TimeFormat))
}
