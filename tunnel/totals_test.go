package tunnel

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// Totals go on where a session ends, and never fall.
func TestTotalsOutliveSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeAWS(t)
		d := newTestDialer(t, f, oneSession)
		if got := d.Totals(); got != (Totals{}) {
			t.Errorf("before the first dial: %+v", got)
		}
		c := dial(t, d)
		echo(t, c, 5000)
		f.net.cut()
		echo(t, c, 1000)
		running := d.Totals()
		if running.Started != 1 || running.Resumes != 1 || running.FailedResumes != 0 || running.BytesOut < 6000 || running.BytesIn < 6000 {
			t.Errorf("after a resume: %+v", running)
		}
		f.onResume = func(int) error { return apiCode("DoesNotExistException") }
		f.net.cut()
		time.Sleep(time.Minute)
		synctest.Wait()
		ended := d.Totals()
		if len(d.Snapshot()) != 0 {
			t.Fatalf("the session goes on: %+v", d.Snapshot())
		}
		if ended.Started != 1 || ended.Resumes != 1 || ended.FailedResumes != 1 || ended.BytesOut < running.BytesOut || ended.BytesIn < running.BytesIn {
			t.Errorf("after the end: %+v", ended)
		}
		f.agent(1).end("") // as the service has
		c.Close()
		echo(t, dial(t, d), 100)
		if next := d.Totals(); next.Started != 2 || next.FailedResumes != 1 || next.BytesOut < ended.BytesOut+100 {
			t.Errorf("after another session: %+v", next)
		}
	})
}

// An end in good order is no failed resume.
func TestTotalsOfAClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeAWS(t)
		d := newTestDialer(t, f, oneSession)
		c := dial(t, d)
		echo(t, c, 100)
		f.net.cut()
		echo(t, c, 100)
		c.Close()
		if err := d.Close(context.Background()); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if got := d.Totals(); got.Started != 1 || got.Resumes != 1 || got.FailedResumes != 0 {
			t.Errorf("after the close: %+v", got)
		}
	})
}
