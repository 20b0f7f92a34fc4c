package gateway

import (
	"context"
	"io"
	"net"

	"github.com/xtaci/smux"
)

// startMux runs the multiplexed port plugin: an smux server behind a pipe.
func (a *agent) startMux(address string) {
	cfg := smux.DefaultConfig() // version 1, 4 MiB for all streams together
	cfg.KeepAliveDisabled = !usesKeepAlive(a.cfg.AgentVersion, a.clientVersion)
	cfg.KeepAliveInterval, cfg.KeepAliveTimeout = a.cfg.MuxTimeout/3, a.cfg.MuxTimeout
	in, out := newPipe(), newPipe()
	mux, err := smux.Server(duplex{in: in, out: out}, cfg)
	if err != nil {
		a.fail(err.Error())
		return
	}
	stop := func() { _ = mux.Close() }
	a.wg.Go(func() { _ = a.pump(out.Read) })
	a.wg.Go(func() {
		a.acceptStreams(mux, address)
		stop()
	})
	a.ready(portPlugin{
		write: func(payload []byte) error {
			a.s.watch.muxBytes(payload)
			_, err := in.Write(payload)
			return err
		},
		stop: stop,
	})
}

// acceptStreams is the agent's one loop: accept a stream, dial, hand over.
// While it dials it accepts nothing else.
func (a *agent) acceptStreams(mux *smux.Session, address string) {
	for {
		stream, err := mux.AcceptStream()
		if err != nil {
			if a.ctx.Err() == nil && !a.stopping.Load() {
				a.fail("") // a protocol error of the client's, or keepalive ran out
			}
			return
		}
		a.s.noteStream(1)
		conn, err := a.dial(address)
		if err != nil {
			_ = a.sendData(payloadFlag, flagPayload(flagConnectToPortError))
			_ = stream.Close()
			a.s.noteStream(-1)
			continue
		}
		a.wg.Go(func() {
			a.carry(stream, conn)
			a.s.noteStream(-1)
		})
	}
}

// carry copies both ways; the end of either ends both.
func (a *agent) carry(stream *smux.Stream, conn net.Conn) {
	defer context.AfterFunc(a.ctx, func() { _ = conn.Close() })()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(stream, conn)
		_ = stream.Close() // FIN
	}()
	_, _ = io.Copy(conn, stream)
	_ = conn.Close()
	<-done
}
