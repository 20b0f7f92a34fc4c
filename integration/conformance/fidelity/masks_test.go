package fidelity

import (
	"regexp"
	"strings"
)

// mask takes out of a record what differs between two conversations that are
// the same. false leaves the record out.
type mask struct {
	reason string
	apply  func(r record) (record, bool)
}

// masks apply to every exchange.
var masks = []mask{
	{"each backend has its own process id and cancel key", func(r record) (record, bool) {
		if r.kind == 'K' {
			r.body = strings.Repeat("k", len(r.body))
		}
		return r, true
	}},
	{"a notification names the process id of who sent it", func(r record) (record, bool) {
		if r.kind == 'A' {
			r.body = "pid." + r.body[4:]
		}
		return r, true
	}},
	{"a temporary schema is named for the backend's place among those that are open", func(r record) (record, bool) {
		r.body = temporarySchema.ReplaceAllString(r.body, "pg_temp_N")
		return r, true
	}},
	{"after a refused login, or for a database that cannot be entered, the proxy adds DETAIL and HINT where the database gives none", func(r record) (record, bool) {
		if r.kind == 'E' && explained(r.body) {
			var kept []string
			for _, field := range strings.Split(r.body, "\x00") {
				if !strings.HasPrefix(field, "D") && !strings.HasPrefix(field, "H") {
					kept = append(kept, field)
				}
			}
			r.body = strings.Join(kept, "\x00")
		}
		return r, true
	}},
}

var temporarySchema = regexp.MustCompile(`\bpg_temp_\d+\b`)

// explained reports whether the proxy has something to add to an ErrorResponse.
func explained(body string) bool {
	for _, sign := range []string{"\x00C28", "\x00C3D000", "\x00Mpermission denied for database "} {
		if strings.Contains(body, sign) {
			return true
		}
	}
	return false
}

// replicationMasks are for exchanges that read the write-ahead log, which goes on
// growing between two conversations.
var replicationMasks = []mask{
	{"keepalives are sent by time", func(r record) (record, bool) {
		return r, r.kind != 'd' || !strings.HasPrefix(r.body, "k")
	}},
	{"XLogData begins with positions and the time of sending", func(r record) (record, bool) {
		if r.kind == 'd' && len(r.body) >= 25 && r.body[0] == 'w' {
			r.body = "w" + r.body[25:]
		}
		return r, true
	}},
	{"positions in the log are told with their length", func(r record) (record, bool) {
		switch r.kind {
		case 'D':
			r.body = told.ReplaceAllString(r.body, "position")
		case 'E':
			r.body = position.ReplaceAllString(r.body, "position")
		}
		return r, true
	}},
}

// physicalMasks are for exchanges that read the log itself.
var physicalMasks = append([]mask{
	{"the log holds what else goes on, in pieces of any size", func(r record) (record, bool) { return r, r.kind != 'd' }},
}, replicationMasks...)

var (
	position = regexp.MustCompile(`[0-9A-F]+/[0-9A-F]+`)
	told     = regexp.MustCompile(`\x00\x00\x00(?s:.)[0-9A-F]+/[0-9A-F]+`)
)

// masked is what is compared.
func masked(all []record, more []mask) []record {
	var kept []record
next:
	for _, r := range all {
		for _, list := range [][]mask{masks, more} {
			for _, m := range list {
				var ok bool
				if r, ok = m.apply(r); !ok {
					continue next
				}
			}
		}
		kept = append(kept, r)
	}
	return kept
}

// endlessMasks are for exchanges whose client leaves amid a stream.
var endlessMasks = []mask{
	{"how much of the stream comes before the client has left is chance", func(r record) (record, bool) { return r, r.kind != 'd' }},
}

// deathMasks are for exchanges in which the database's side ends in bad order.
var deathMasks = []mask{
	{"between two messages the proxy tells what a direct client has to guess", func(r record) (record, bool) { return r, !toldLost(r) }},
	{"a reset is passed on as the end of the stream, since some systems take back with it what was not read yet", func(r record) (record, bool) {
		if r.kind == kindEnd && r.body == "reset" {
			r.body = "closed"
		}
		return r, true
	}},
}

// crashMask is for sessions beside one whose backend was killed.
var crashMask = mask{"the warning of a crash is sent from a signal's handler, which does not always get to it", func(r record) (record, bool) {
	return r, r.kind != 'N' || !strings.Contains(r.body, "\x00C57P02\x00")
}}

// toldLost says that r are the words of the proxy, with a HINT, for a database
// that is lost.
func toldLost(r record) bool {
	return r.kind == 'E' && strings.HasPrefix(r.body, "SFATAL\x00") && strings.Contains(r.body, "\x00C0800") && strings.Contains(r.body, "\x00H")
}
