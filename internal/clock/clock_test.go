package clock

import (
	"net/http"
	"testing"
	"time"
)

func TestReadComparesWithTheMiddleOfTheRoundTrip(t *testing.T) {
	const date = "Tue, 15 Nov 1994 08:12:31 GMT"
	there := time.Date(1994, 11, 15, 8, 12, 31, 500e6, time.UTC) // on average
	for _, test := range []struct {
		name   string
		header http.Header
		sent   time.Time
		trip   time.Duration
		want   Reading
	}{
		{"right", http.Header{"Date": {date}}, there, 0, Reading{true, 0}},
		{"right, answered slowly", http.Header{"Date": {date}}, there.Add(-2 * time.Second), 4 * time.Second, Reading{true, 0}},
		{"ahead", http.Header{"Date": {date}}, there.Add(7 * time.Minute), 0, Reading{true, 7 * time.Minute}},
		{"behind", http.Header{"Date": {date}}, there.Add(-time.Hour), 0, Reading{true, -time.Hour}},
		{"no date", http.Header{}, there, 0, Reading{}},
		{"no readable date", http.Header{"Date": {"yesterday"}}, there, 0, Reading{}},
		{"from a cache", http.Header{"Date": {date}, "Age": {"60"}}, there, 0, Reading{}},
	} {
		if got := Read(test.header, test.sent, test.sent.Add(test.trip)); got != test.want {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
	}
}

func TestWrongAndInWords(t *testing.T) {
	for ahead, want := range map[time.Duration]struct {
		wrong bool
		off   string
	}{
		0:                          {false, "0s ahead of"},
		-400 * time.Millisecond:    {false, "0s ahead of"},
		Tolerance - time.Second:    {false, "4m59s ahead of"},
		Tolerance:                  {true, "5m0s ahead of"},
		-Tolerance:                 {true, "5m0s behind"},
		-time.Hour + time.Second/4: {true, "1h0m0s behind"},
	} {
		r := Reading{true, ahead}
		if r.Wrong() != want.wrong || r.Off() != want.off {
			t.Errorf("%v: wrong %v, %q; want %v", ahead, r.Wrong(), r.Off(), want)
		}
	}
	if (Reading{}).Wrong() {
		t.Error("an unknown clock is wrong")
	}
}
