package proxy

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"slices"
	"strings"
)

// readyKey says for which clients a ready login is. Start-up parameters are in it as a
// digest alone: while a ready login waits, nothing else of them is kept.
type readyKey struct {
	served *served
	digest [sha256.Size]byte
}

// readyKeyOf is for a client of to who is identity and logs in with the rights of role,
// both of which may be "", at address, with m as the database is sent it.
//
// All of the StartupMessage counts, with its protocol version: to the database, a session
// is made of nothing else. Where the client is does not count, because the database does
// not see that either.
func readyKeyOf(to *served, address, identity, role string, m startupMessage) readyKey {
	h := sha256.New()
	for _, part := range []string{address, identity, role} {
		hashPart(h, part)
	}
	packet := m.ordered().encode()
	h.Write(packet)
	clear(packet)
	k := readyKey{served: to}
	h.Sum(k.digest[:0])
	return k
}

// hashPart adds text to h so that no two lists of parts are one.
func hashPart(h hash.Hash, text string) {
	h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(text))))
	h.Write([]byte(text))
}

// ordered is m with its parameters in one order, unless theirs may mean something: clients
// that keep them in a map, such as pgx, send them in another one each time. Parameters of
// one name stay in their order, since the last one counts; and all do where one decides
// who sets the others.
//
// Source: postgres: src/backend/utils/init/postinit.c, process_startup_options.
func (m startupMessage) ordered() startupMessage {
	for _, p := range m.params {
		if strings.EqualFold(p.name, "role") || strings.EqualFold(p.name, "session_authorization") {
			return m
		}
	}
	params := slices.Clone(m.params)
	slices.SortStableFunc(params, func(a, b param) int { return strings.Compare(strings.ToLower(a.name), strings.ToLower(b.name)) })
	return startupMessage{version: m.version, params: params}
}

// mayBeReady says whether a login with m may be made before its client comes. A walsender
// is none: its sessions are few, and each has a place of its own in the database.
//
// Source: PostgreSQL 18 docs, protocol-replication.html.
func (m startupMessage) mayBeReady() bool {
	for _, p := range m.params {
		if strings.EqualFold(p.name, "replication") {
			return false
		}
	}
	return true
}
