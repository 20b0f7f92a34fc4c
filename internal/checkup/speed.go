package checkup

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/database"
	"github.com/pgkeyless/pgkeyless/internal/doctor"
)

const (
	roundTrips    = 5
	firstDownload = 32 << 10 // bytes
	lastDownload  = 8 << 20
	downloadTime  = time.Second
)

// speed measures round trips, and what one connection downloads in about a
// second.
func (c *Checkup) speed(ctx context.Context) {
	c.walk.Begin(doctor.Speed)
	trip, err := c.roundTrip(ctx)
	if err != nil {
		c.fail(err)
		return
	}
	if c.kind() == database.DSQL { // which bounds the size of a value
		c.walk.OK(fmt.Sprintf("round trip %s (median of %d)", short(trip), roundTrips))
		return
	}
	rate, err := c.download(ctx, trip)
	if err != nil {
		c.fail(err)
		return
	}
	c.walk.OK(fmt.Sprintf("round trip %s (median of %d); about %.1f MB/s down on one connection, an estimate of a second", short(trip), roundTrips, rate/1e6))
}

// roundTrip is the median of a few.
func (c *Checkup) roundTrip(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	var took []time.Duration
	for range roundTrips {
		began := time.Now()
		if _, err := c.conn.Query(ctx, "select 1"); err != nil {
			return 0, err
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}

// download asks for more and more until that takes a while, and returns bytes a
// second of the last answer.
func (c *Checkup) download(ctx context.Context, trip time.Duration) (rate float64, err error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	began := time.Now()
	for size := firstDownload; ; {
		sent := time.Now()
		if _, err := c.conn.Query(ctx, fmt.Sprintf("select repeat('x', %d)", size)); err != nil {
			return 0, err
		}
		rate = float64(size) / max(time.Since(sent)-trip, time.Millisecond).Seconds()
		left := downloadTime - time.Since(began)
		next := min(4*size, lastDownload, int(rate*left.Seconds()))
		if size == lastDownload || next <= size {
			return rate, nil
		}
		size = next
	}
}

// short rounds d for people.
func short(d time.Duration) time.Duration {
	if d < 10*time.Millisecond {
		return d.Round(10 * time.Microsecond)
	}
	return d.Round(time.Millisecond)
}
