package rdsproxy

import (
	"encoding/binary"
	"io"
	"net"
	"regexp"
	"sync"
)

// sets finds statements that set a parameter for the session.
var sets = regexp.MustCompile(`(?i)\b(?:re)?set\s|\bset_config\s*\(`)

// looked is how much of a statement is looked at. RDS Proxy pins a session for a longer one.
const looked = 16 << 10

// relay carries messages both ways until one side has ended.
func (s *Server) relay(client, database net.Conn) {
	var both sync.WaitGroup
	both.Go(func() {
		s.up(database, client)
		database.Close()
	})
	io.Copy(client, database)
	client.Close()
	both.Wait()
}

// up carries the client's messages, and looks for what pins its session.
func (s *Server) up(database io.Writer, client io.Reader) {
	pinned := false
	for {
		var head [5]byte
		if _, err := io.ReadFull(client, head[:]); err != nil {
			return
		}
		length := int64(binary.BigEndian.Uint32(head[1:])) - 4
		if length < 0 {
			return
		}
		begin := make([]byte, min(length, looked))
		if _, err := io.ReadFull(client, begin); err != nil {
			return
		}
		if !pinned && (head[0] == 'Q' || head[0] == 'P') && (length > looked || sets.Match(begin)) {
			pinned = true
			s.count(func(s *Stats) { s.Pinned++ })
		}
		if _, err := database.Write(append(head[:], begin...)); err != nil {
			return
		}
		if _, err := io.CopyN(database, client, length-int64(len(begin))); err != nil {
			return
		}
	}
}
