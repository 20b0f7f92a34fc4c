package gateway

import "encoding/json"

// delivering notes a message to the client just before it is written: its
// acknowledgement may be here before Write returns. The time counts from
// delivered, which is given the result.
func (w *watch) delivering(connection int, frame []byte) (mark message) {
	m, err := decode(frame)
	if err != nil || !m.digestHolds() {
		return message{} // a fault of ours, nothing to be acknowledged
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch m.kind {
	case typeOutput:
		w.paused = false
		if m.payloadType == payloadHandshakeComplete {
			w.complete = true
		}
		if m.seq < w.nextOutput {
			// The agent has not heard of acknowledgements: any since may be lost.
			w.reackable = w.nextOutput
		}
		w.nextOutput = max(w.nextOutput, m.seq+1)
		o := w.outputs[m.seq]
		if o == nil {
			o = &outputRecord{id: m.id.String(), uploaded: w.uploaded}
			w.outputs[m.seq] = o
			if w.g.cfg.OfficialClient {
				delete(w.outputs, m.seq-keptInputs)
			}
		}
		o.deliveries++
		if connection != w.connection { // it will not arrive
			o.waived++
			break
		}
		o.since = append(o.since, farFuture)
	case typeAck:
		w.paused = false
		var a ackPayload
		if json.Unmarshal(m.payload, &a) != nil {
			break
		}
		if r := w.inputs[a.AcknowledgedMessageSequenceNumber]; r != nil {
			if !r.acked {
				w.unacked -= r.size
			}
			r.acked, r.connection, r.at = true, connection, w.g.ticks.now()
		}
	case typePause:
		w.paused, w.pausedBytes = true, 0
	case typeStart:
		w.paused = false
	}
	return m
}

// farFuture is the tick of what is still being written.
const farFuture = 1 << 62

func (w *watch) delivered(mark message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch mark.kind {
	case typeClosed:
		w.overAt = max(1, w.g.ticks.now())
	case typeOutput:
		o := w.outputs[mark.seq]
		if o == nil {
			return // acknowledged already
		}
		for i, at := range o.since {
			if at == farFuture {
				o.since[i] = w.g.ticks.now()
			}
		}
	}
}

// answered says whether the client has uploaded in reply to an output. It may keep the
// acknowledgement of the newest one back while it does, and rests: as long as the agent
// sends that again, it lives.
func (w *watch) answered(o *outputRecord) bool { return w.uploaded-o.uploaded >= uploadFrom }

// overdue reports deliveries that have waited too long for their
// acknowledgement. The genuine plugin acknowledges a message once at best.
func (w *watch) overdue() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over || w.dark() {
		return
	}
	latest := w.g.ticks.now() - w.allowed()
	resting := latest - int64(uploadRest/(w.g.cfg.AckWithin/ticksAllowed))
	for n, o := range w.outputs {
		if n == w.nextOutput-1 && w.answered(o) && (w.unacked > 0 || w.uploadedAt >= resting) {
			o.waived, o.since = o.deliveries, nil
			continue
		}
		late := 0
		for len(o.since) > 0 && latest > o.since[0] {
			o.since = o.since[1:]
			late++
		}
		if late > 0 && !(w.g.cfg.OfficialClient && o.acks+o.waived > 0) {
			w.reportf("output %d was delivered and not acknowledged within %v", n, w.g.cfg.AckWithin)
		}
	}
}
