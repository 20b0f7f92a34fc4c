package status

import "testing"

func TestUnits(t *testing.T) {
	for n, want := range map[float64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 1234: "1.2 kB", 9949: "9.9 kB", 9951: "10 kB", 999_499: "999 kB", 999_500: "1.0 MB",
		34_000_000: "34 MB", 5e9: "5.0 GB", 7e12: "7.0 TB", 7e15: "7 PB",
	} {
		if got := Bytes(n); got != want {
			t.Errorf("Bytes(%v) = %q, want %q", n, got, want)
		}
	}
	for seconds, want := range map[float64]string{
		0: "0 ms", 0.0004: "0.4 ms", 0.0031: "3 ms", 0.9996: "1.0 s", 1.25: "1.2 s", 12.4: "12 s", 60: "1 min", 75: "1 min 15 s", 7980: "2 h 13 min", 86400: "1 d",
		90000: "1 d 1 h", -75: "-1 min 15 s",
	} {
		if got := Span(seconds); got != want {
			t.Errorf("Span(%v) = %q, want %q", seconds, got, want)
		}
	}
}
