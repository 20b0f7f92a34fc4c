package tunnel

import "time"

const (
	// busyBytes in the last two seconds make a session busy: more than people's
	// queries bring, an eighth of what one session can carry down.
	busyBytes = 256 << 10

	// lightBytes in the last two seconds make a session busy whose streams are all
	// light: half of what one session can carry down. Sharing it costs them less than
	// it saves the agent, for which each message counts.
	lightBytes = 896 << 10

	// The agent dials for one stream at a time. A stream without answer for so
	// long makes new ones wait behind it: first a sign, then for certain.
	slowAnswer    = time.Second
	blockedAnswer = 3 * time.Second

	// silentAfter: an agent that owes an answer for so long, or is out of reach,
	// is nothing to begin a stream with. The hourly change of the websocket takes
	// less.
	silentAfter = 3 * time.Second

	// busyPatience is what a stream that would share a busy session waits for a
	// start under way, if that is younger than hopefulStart. A login beside a bulk
	// transfer takes three times 220 ms, and the company lasts as long as both do.
	busyPatience = 1500 * time.Millisecond
	hopefulStart = 3 * time.Second

	// maxWaiting streams of one session may wait for their first byte: a quarter
	// of the agent's accept queue, which it must never fill.
	maxWaiting = 256

	// maxMissing messages are sent again within three seconds; until then nothing
	// that comes later gets through.
	maxMissing = 30

	// idleAfter is how long a session stays without streams; the account's idle
	// timeout is 20 minutes by default.
	idleAfter = 5 * time.Minute

	// spareAfter is how long a session must have had streams until a spare one is
	// worth its start.
	spareAfter = time.Second

	// farewell bounds the wait of a retired session for the agent to confirm the
	// ends of its streams.
	farewell = 10 * time.Second

	// resolveAgain is the age of a session after which another may find another
	// address although this one never reached the database: RDS names live 5 s.
	resolveAgain = 15 * time.Second

	// expectedDials that come together are worth a session of their own: one carries
	// about a hundred logins a second, and takes a second or more to start.
	expectedDials = 64

	// keepAliveEvery is below the shortest idle timeout an account can have, a
	// minute.
	keepAliveEvery = 50 * time.Second
)

// policy decides about the sessions of one address: pure functions of what they
// look like at one moment.
type policy struct {
	most      int           // sessions that take new streams
	maxAge    time.Duration // after which one takes no more; 0: never
	keepAlive bool
	together  int  // starts at once; 0: any number
	pack      bool // what comes is likely to be light
	spread    bool // it is likely to be heavy
}

// view is what one session looks like.
type view struct {
	age        time.Duration
	retired    bool          // takes no new streams
	streams    int           // open ones
	known      int           // streams the agent has not ended, open ones included
	waiting    int           // streams without answer
	unanswered time.Duration // longest wait of one of them
	silent     time.Duration // how long the agent owes an answer or is out of reach
	missing    int64         // messages of the agent that it has to send again, ten a second
	recent     int64         // bytes in the last two seconds
	light      bool          // it has streams, and none of them is heavy
	since      time.Duration // how long it has had streams without a break, or none
	nudged     time.Duration // since its last NOP
}

// health is how fit a session is for a new stream.
type health int

const (
	quiet    health = iota
	busy            // it can serve, but neither well
	hampered        // it cannot serve, as far as one can see
)

func (v view) health() health {
	switch {
	case v.silent >= silentAfter, v.unanswered >= blockedAnswer, v.waiting >= maxWaiting, v.missing >= maxMissing:
		return hampered
	case v.recent >= busyBytes && !v.light, v.recent >= lightBytes, v.unanswered >= slowAnswer:
		return busy
	default:
		return quiet
	}
}

// better says whether a is the better place for a new stream than b: by health,
// then recent traffic, of which a few bytes do not count, then streams.
func better(a, b view) bool {
	const little = busyBytes / 8
	switch {
	case a.health() != b.health():
		return a.health() < b.health()
	case a.recent/little != b.recent/little:
		return a.recent < b.recent
	case a.streams != b.streams:
		return a.streams < b.streams
	default:
		return a.recent < b.recent
	}
}

// better is as the function of that name, but that light streams come to the session
// which has most of them: together they make fewer messages.
func (p policy) better(a, b view) bool {
	if p.pack && a.health() == quiet && b.health() == quiet && a.light != b.light {
		return a.light
	}
	if p.pack && a.health() == quiet && b.health() == quiet && a.streams != b.streams {
		return a.streams > b.streams
	}
	return better(a, b)
}

// choose finds the place for a new stream among sessions, of which none is
// retired: the index of one, or -1 when the stream has to wait for one of the
// starts under way, and whether to begin another start. waiting is how many
// streams then wait for a start, this one included; unasked says whether a start
// that nobody waits for may be tried.
//
// No stream has to wait that a session can serve. Those that have to get a start
// each, as far as there is room: together they would keep sharing one session.
func (p policy) choose(sessions []view, starting, waiting int, unasked bool) (use int, start bool) {
	room := p.room(len(sessions), starting)
	use = -1
	for i, v := range sessions {
		if use < 0 || p.better(v, sessions[use]) {
			use = i
		}
	}
	if use < 0 {
		return -1, room && starting < waiting
	}
	switch sessions[use].health() {
	case quiet:
		// Two streams at once: the next one shall find a session of its own.
		return use, p.keepAlive && !p.pack && sessions[use].streams > 0 && room && starting == 0 && unasked
	case busy:
		return use, room && starting == 0 && unasked
	}
	if room || starting > 0 {
		return -1, room && starting < waiting
	}
	return use, false // there will be none better
}

// room says whether one more session may be started.
func (p policy) room(sessions, starting int) bool {
	return sessions+starting < p.most && (p.together == 0 || starting < p.together)
}

// expected is how many sessions are to be started for so many dials that are about to
// come.
func (p policy) expected(sessions []view, starting, dials int) (starts int) {
	wanted := (dials + expectedDials - 1) / expectedDials
	for len(sessions)+starting+starts < wanted && p.room(len(sessions), starting+starts) {
		starts++
	}
	return starts
}

// share is how many streams a session is to have when those that wait have all got
// one, and are spread over as many sessions as there may be.
func (p policy) share(sessions []view, waiting int) int {
	streams := waiting
	for _, v := range sessions {
		streams += v.streams
	}
	spread := min(p.most, streams)
	return (streams + spread - 1) / spread
}

// inReach finds the best of sessions that are all hampered, when no other can be
// had: one whose agent answers, and only waits for a dial. -1: there is none.
func inReach(sessions []view) int {
	use := -1
	for i, v := range sessions {
		if v.silent < silentAfter && v.waiting < maxWaiting && v.missing < maxMissing && (use < 0 || better(v, sessions[use])) {
			use = i
		}
	}
	return use
}

// care is what the sessions of an address need at one moment, by index.
type care struct {
	aged  []int // to retire, for their age
	end   []int // to terminate: retired and empty
	idle  []int // to terminate: unused
	nudge []int // to be sent a NOP
	start bool  // a spare session is to be started
}

// tend looks after all sessions of an address, retired ones included.
func (p policy) tend(sessions []view, starting int, unasked bool) care {
	var c care
	var inUse, settled bool // some session has streams; one in the choice and in reach has had them for long enough
	spare, active := -1, 0  // the youngest without streams
	ready := false          // the spare could serve at once
	for i, v := range sessions {
		inUse = inUse || v.streams > 0
		switch {
		case v.retired:
			continue
		case p.maxAge > 0 && v.age >= p.maxAge:
			c.aged = append(c.aged, i)
			continue
		}
		active++
		if v.streams > 0 {
			settled = settled || v.since >= spareAfter && v.silent < silentAfter
			continue
		}
		ready = ready || v.health() == quiet
		if spare < 0 || v.age < sessions[spare].age {
			spare = i
		}
	}
	// Without NOPs the spare one would fall to the account's idle timeout, and
	// be replaced for ever.
	keepSpare := inUse && p.keepAlive
	for i, v := range sessions {
		switch {
		case v.retired:
			if v.streams == 0 && (v.known == 0 || v.since >= farewell) {
				c.end = append(c.end, i)
				continue
			}
		case v.streams == 0 && v.since >= idleAfter && (i != spare || !keepSpare):
			c.idle = append(c.idle, i)
			continue
		}
		if p.keepAlive && v.nudged >= keepAliveEvery && (v.streams > 0 || inUse && !v.retired) {
			c.nudge = append(c.nudge, i)
		}
	}
	c.start = p.keepAlive && settled && !ready && unasked && starting == 0 && active < p.most
	return c
}
