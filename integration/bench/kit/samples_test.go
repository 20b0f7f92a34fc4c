package kit

import (
	"math"
	"strings"
	"testing"
)

func TestPercentile(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		p      float64
		want   float64
	}{
		{nil, 50, math.NaN()},
		{[]float64{7}, 99, 7},
		{[]float64{3, 1, 2}, 50, 2},
		{[]float64{4, 1, 3, 2}, 50, 2.5},
		{[]float64{0, 10}, 99, 9.9},
		{[]float64{5, 1}, 0, 1},
		{[]float64{5, 1}, 100, 5},
	} {
		got := Percentile(tt.values, tt.p)
		if math.Abs(got-tt.want) > 1e-9 || math.IsNaN(got) != math.IsNaN(tt.want) {
			t.Errorf("Percentile(%v, %v) = %v, want %v", tt.values, tt.p, got, tt.want)
		}
	}
}

func TestPercentileLeavesItsInputInOrder(t *testing.T) {
	v := []float64{3, 1, 2}
	Median(v)
	if v[0] != 3 || v[1] != 1 || v[2] != 2 {
		t.Errorf("after median: %v", v)
	}
}

func TestDigits(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.126: "0.13", 1000: "1000", 413.4: "413", 31.27: "31.3", 3.8: "3.80", 0.003012: "0.0030"} {
		if got := Digits(v); got != want {
			t.Errorf("Digits(%v) = %q, want %q", v, got, want)
		}
	}
}

func TestSourceIsWholeRows(t *testing.T) {
	s := NewSource(10*RowLength + 7)
	var all []byte
	p := make([]byte, 700)
	for {
		n, err := s.Read(p)
		all = append(all, p[:n]...)
		if err != nil {
			break
		}
	}
	if got := strings.Count(string(all), "\n"); got != 10 || len(all) != 10*RowLength {
		t.Errorf("%d bytes in %d rows, want 10 rows of %d", len(all), got, RowLength)
	}
	for row := range strings.Lines(string(all)) {
		if len(row) != RowLength {
			t.Errorf("a row of %d bytes", len(row))
		}
	}
}
