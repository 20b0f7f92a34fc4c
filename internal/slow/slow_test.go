package slow

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestAfterTellsOnceOfWhatIsSlow(t *testing.T) {
	for took, want := range map[time.Duration]int{0: 0, time.Second: 0, 3 * time.Second: 1, time.Hour: 1} {
		synctest.Test(t, func(t *testing.T) {
			told := 0
			stop := After(2*time.Second, func() { told++ })
			time.Sleep(took)
			stop()
			if told != want {
				t.Errorf("after %v: told %d times, want %d", took, told, want)
			}
			time.Sleep(time.Hour)
			if told != want {
				t.Errorf("after %v and stop: told %d times, want %d", took, told, want)
			}
		})
	}
}

// What is told after stop would be about something that is over.
func TestStopWaitsForATellThatHasBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		over := false
		stop := After(time.Second, func() {
			time.Sleep(time.Minute)
			over = true
		})
		time.Sleep(2 * time.Second)
		stop()
		if !over {
			t.Error("stop returned before tell")
		}
	})
}
