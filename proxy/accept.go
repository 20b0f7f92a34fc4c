package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/proxy/eventloop"
)

// Accept errors such as "too many open files" pass: accepting goes on after a
// wait that doubles between these.
const (
	minAcceptWait = 5 * time.Millisecond
	maxAcceptWait = time.Second
	// roomWait is for somebody in the lobby to close, who was told to.
	roomWait = time.Millisecond
)

// accept starts a session for each client of l. It returns nil once starting has
// ended or Replace has dropped l, and an error when somebody else closed it.
func (s *Server) accept(ctx, starting context.Context, l *listening, sessions *sync.WaitGroup) error {
	wait := minAcceptWait
	for {
		for s.lobby.crowded(time.Now()) && starting.Err() == nil {
			time.Sleep(roomWait)
		}
		c, err := l.Accept()
		switch {
		case err == nil:
			wait = minAcceptWait
			arrival := s.arrivals.Add(1)
			s.lobby.expect()
			sessions.Go(func() {
				if s.probes.take(c) {
					s.lobby.unexpect()
					return
				}
				s.newSession(l.route.Load(), c, arrival).run(ctx, starting, sessions)
			})
		case starting.Err() != nil, l.dropped.Load():
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("accepting on %s: %w", l.Addr(), err)
		default:
			noFiles := outOfFiles(err)
			if noFiles && s.lobby.makeRoom(math.MaxUint64) {
				wait = roomWait
			}
			s.notAccepted(l, err, noFiles, wait)
			select {
			case <-time.After(wait):
			case <-starting.Done():
			}
			wait = min(max(2*wait, minAcceptWait), maxAcceptWait)
		}
	}
}

// notAccepted logs err of accepting. Silent clients may use up the open files again
// and again, which is one line a minute: those that made room are counted elsewhere.
func (s *Server) notAccepted(l *listening, err error, noFiles bool, wait time.Duration) {
	log := s.log.With("address", l.Addr().String(), "error", err, "retry_in", wait)
	if noFiles {
		log = log.With("hint", "raise the limit of open files (ulimit -n): a client takes two")
	}
	if noFiles && !s.sparing.allows("open files", 1, func(more int64) {
		s.log.Warn("too many open files to accept clients", "times", more+1, "in", sparingFor)
	}) {
		return
	}
	log.Warn("accepting a client")
}

// certificate is the one to show to a client.
func (s *Server) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if s.tls.GetCertificate != nil {
		return s.tls.GetCertificate(hello)
	}
	return &s.tls.Certificates[0], nil
}

func (s *Server) newSession(route *served, c net.Conn, arrival uint64) *session {
	if tcp, ok := c.(*net.TCPConn); ok {
		tcp.SetKeepAliveConfig(keepAlive)
	}
	id, now := s.lastID.Add(1), time.Now()
	session := &session{
		server: s,
		log:    s.log.With("session", id),
		client: eventloop.Wrap(c),
		began:  now, arrival: arrival,
		entry: s.newEntry(id, c, now),
	}
	s.tally.accepted(session.entry)
	if s.admit != nil {
		if err := s.whetherAdmitted(c, arrival); err != nil {
			session.barred = &barred{err}
		}
	}
	if route != nil {
		session.take(route)
	}
	return session
}

// whetherAdmitted asks Config.Admit, which may need a file to find out who that is:
// should there be none, silent clients make room as they do for accepting.
func (s *Server) whetherAdmitted(c net.Conn, arrival uint64) error {
	for {
		err := s.admit(c)
		if !outOfFiles(err) || !s.lobby.makeRoom(arrival) {
			return err
		}
		time.Sleep(roomWait)
	}
}

// outOfFiles says that this process, or the system, can have no more files open.
func outOfFiles(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// enter counts a session in, or says that there are too many. Cancel requests
// are not counted: they must get through when nothing else does.
func (s *Server) enter() error {
	if n := s.sessions.Add(1); s.maxConnections > 0 && n > s.maxConnections {
		s.sessions.Add(-1)
		return causes.TooManyClients.New(causes.Facts{"limit": fmt.Sprint(s.maxConnections)}, nil)
	}
	return nil
}

// leave counts a session out.
func (s *Server) leave() { s.sessions.Add(-1) }
