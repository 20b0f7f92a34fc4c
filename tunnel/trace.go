package tunnel

// Stage is a part of a session's start, in this order.
type Stage int

const (
	StageSession   Stage = iota // the StartSession API has answered
	StageWebsocket              // the websocket is open and the SSM token sent
	StageHandshake              // the agent is ready for streams
)

// Progress is the end of one Stage, good or bad. One with an Err is the last of
// its start. A start that is slow goes through the stages with a second session,
// too.
type Progress struct {
	Stage    Stage
	JumpHost string
	Session  string // SSM session id; "" when there is none
	Agent    string // version of the SSM agent, from StageHandshake on
	Err      error
}

// trace tells Config.Trace, if there is one.
func (d *Dialer) trace(p Progress) {
	if d.cfg.Trace != nil {
		d.cfg.Trace(p)
	}
}
