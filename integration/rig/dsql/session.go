package dsql

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// session is a client that is logged in, and its connection to PostgreSQL.
type session struct {
	server *Server
	client *tls.Conn
	db     net.Conn
	user   string
	end    End

	mu      sync.Mutex // of writes to the client, each of whole messages
	open    bool       // a transaction is
	over    bool       // its time is
	expired bool       // it has ended for that
}

// run logs in to PostgreSQL with packet, and relays until either side has ended.
func (s *Server) run(c *tls.Conn, user string, packet []byte) {
	db, err := net.Dial("unix", s.db.Socket())
	if err != nil {
		refuse(c, complaint("FATAL", "57P03", "the stand-in's PostgreSQL is gone", ""))
		return
	}
	defer db.Close()
	if _, err := db.Write(packet); err != nil {
		return
	}
	one := &session{server: s, client: c, db: db, user: user}
	s.mu.Lock()
	one.end = s.end
	life := s.life
	s.sessions[one] = true
	s.mu.Unlock()
	defer s.set(func() { delete(s.sessions, one) })
	c.SetDeadline(time.Time{})
	if life > 0 {
		defer time.AfterFunc(life, func() { one.expire() }).Stop()
	}
	var both sync.WaitGroup
	both.Go(func() {
		one.upload()
		db.Close() // wakes the other way
	})
	one.download()
	one.mu.Lock()
	cutting := one.expired && one.end == Cutting
	one.mu.Unlock()
	if !cutting {
		c.CloseWrite()
	}
	c.NetConn().Close()
	both.Wait()
}

// download passes on what PostgreSQL says, message by message.
func (o *session) download() {
	r := bufio.NewReader(o.db)
	for {
		m, err := readMessage(r)
		if err != nil || !o.say(m) {
			return
		}
	}
}

// say sends whole messages to the client; false after the end.
func (o *session) say(m []byte) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.expired {
		return false
	}
	if _, err := o.client.Write(m); err != nil {
		return false
	}
	if m[0] == 'Z' && len(m) == 6 {
		o.open = m[5] != 'I'
		if o.over && !o.open {
			o.goodbye()
			return false
		}
	}
	return true
}

// expire says that the session's time is over. One with an open transaction goes on until
// that has ended. It returns whether the session had not ended for that already.
func (o *session) expire() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.expired {
		return false
	}
	if o.over = true; !o.open {
		o.goodbye()
	}
	return true
}

// goodbye ends the session, once. o.mu is held.
func (o *session) goodbye() {
	if o.expired {
		return
	}
	o.expired = true
	if o.end == Saying {
		o.client.Write(complaint("FATAL", "57P01", "terminating connection, its maximum duration is reached", ""))
	}
	o.db.Close() // which ends download
}

// iamStatement is AWS IAM GRANT and REVOKE.
//
// Source: Aurora DSQL user guide, "Using database roles and IAM authentication".
var iamStatement = regexp.MustCompile(`(?is)^\s*AWS\s+IAM\s+(GRANT|REVOKE)\s+(?:"([^"]+)"|(\w+))\s+(?:TO|FROM)\s+'([^']+)'\s*;?\s*$`)

// upload passes on what the client says, but for statements that PostgreSQL does not know.
func (o *session) upload() {
	r := bufio.NewReader(o.client)
	for {
		m, err := readMessage(r)
		if err != nil {
			return
		}
		if m[0] == 'Q' {
			if words := iamStatement.FindSubmatch(bytes.TrimSuffix(m[5:], []byte{0})); words != nil {
				o.say(o.iam(words))
				o.say(message('Z', 'I'))
				continue
			}
		}
		if _, err := o.db.Write(m); err != nil {
			return
		}
	}
}

// iam is the answer to such a statement, once it is done.
func (o *session) iam(words [][]byte) []byte {
	verb, role, arn := strings.ToUpper(string(words[1])), string(words[2])+strings.ToLower(string(words[3])), string(words[4])
	if o.user != admin {
		return complaint("ERROR", "42501", "permission denied to change IAM mappings", "")
	}
	o.server.set(func() {
		if verb == "GRANT" {
			o.server.grants[role] = append(o.server.grants[role], arn)
		} else {
			o.server.grants[role] = slices.DeleteFunc(o.server.grants[role], func(a string) bool { return a == arn })
		}
	})
	return message('C', append([]byte("AWS IAM "+verb), 0)...)
}
