package fidelity

import (
	"encoding/binary"
	"slices"
)

// What clients send, by their names in the protocol.
//
// Source: PostgreSQL 18 docs, protocol-message-formats.html.

func query(s string) []byte { return message('Q', cstring(s)) }

func parse(name, s string) []byte { return message('P', cstring(name), cstring(s), short(0)) }

// bind gives parameters as text, and asks for results in format: 0 is text, 1 binary.
func bind(portal, statement string, format int, parameters ...string) []byte {
	body := slices.Concat(cstring(portal), cstring(statement), short(0), short(len(parameters)))
	for _, p := range parameters {
		body = append(append(body, long(len(p))...), p...)
	}
	return message('B', body, short(1), short(format))
}

// execute asks for at most rows of them; 0 means all.
func execute(portal string, rows int) []byte { return message('E', cstring(portal), long(rows)) }

func describe(what byte, name string) []byte { return message('D', []byte{what}, cstring(name)) }
func closeIt(what byte, name string) []byte  { return message('C', []byte{what}, cstring(name)) }
func copyData(s string) []byte               { return message('d', []byte(s)) }
func copyFail(why string) []byte             { return message('f', cstring(why)) }

var (
	syncUp    = message('S')
	flush     = message('H')
	copyDone  = message('c')
	terminate = message('X')
)

// functionCall calls the function with that oid; arguments and result are text.
func functionCall(oid int, arguments ...string) []byte {
	body := slices.Concat(long(oid), short(0), short(len(arguments)))
	for _, a := range arguments {
		body = append(append(body, long(len(a))...), a...)
	}
	return message('F', body, short(0))
}

func short(n int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(n)) }
func long(n int) []byte  { return binary.BigEndian.AppendUint32(nil, uint32(n)) }

// simple is a statement by the extended protocol, from Parse to Execute.
func simple(s string, parameters ...string) []byte {
	return slices.Concat(parse("", s), bind("", "", 0, parameters...), describe('P', ""), execute("", 0))
}
