package sharedfiles

import (
	"bytes"
	"encoding/binary"
	"regexp"
	"strings"
	"unicode/utf16"
)

// section is one section as it stands in a file.
type section struct {
	header string // what the brackets hold
	line   int
	values map[string]*Value
}

// Value is one setting.
type Value struct {
	Text   string
	Nested map[string]string // of "key =" with indented settings beneath; nil for others

	file, header string
	line         int
	raw          string // Text before quotes and comments were taken off
}

// decode makes text of what editors and shells write: UTF-8 with or without a
// byte order mark, UTF-16 with one (PowerShell), lines ended by LF, CRLF or CR.
func decode(b []byte) string {
	var text string
	switch {
	case bytes.HasPrefix(b, []byte{0xFF, 0xFE}):
		text = fromUTF16(b[2:], binary.LittleEndian)
	case bytes.HasPrefix(b, []byte{0xFE, 0xFF}):
		text = fromUTF16(b[2:], binary.BigEndian)
	default:
		text = string(bytes.TrimPrefix(b, []byte("\uFEFF")))
	}
	return strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
}

func fromUTF16(b []byte, order binary.ByteOrder) string {
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = order.Uint16(b[2*i:])
	}
	return string(utf16.Decode(units))
}

// parse reads text as Python's RawConfigParser does. Where that gives up on the
// whole file (a section or a key that comes twice, a line without a key) it goes
// on, as the SDKs do.
func (f *File) parse(text string) {
	var in *section
	var last *Value // which indented lines continue
	indent := 0     // of the line that last began
	for i, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimSpace(line)
		if trimmed == "" || trimmed[0] == '#' || trimmed[0] == ';' {
			continue
		}
		deep := strings.IndexFunc(line, func(r rune) bool { return r != ' ' && r != '\t' })
		if last != nil && deep > indent && last.take(trimmed) {
			continue
		}
		if header, ok := headerOf(trimmed); ok {
			in = f.section(header, i+1)
			last, indent = nil, deep
			continue
		}
		key, value, ok := cutSetting(trimmed)
		if !ok || in == nil {
			if f.odd == 0 {
				f.odd = i + 1
			}
			continue
		}
		indent = deep
		last = &Value{file: f.Path, header: in.header, line: i + 1}
		last.set(key, value)
		in.values[key] = last
	}
}

// section returns the one with header, a new one if there is none yet.
func (f *File) section(header string, line int) *section {
	for _, s := range f.sections {
		if s.header == header {
			return s
		}
	}
	s := &section{header: header, line: line, values: map[string]*Value{}}
	f.sections = append(f.sections, s)
	return s
}

// bracketed is a header with nothing but a comment behind it; what the brackets
// hold may have brackets and "#", too.
var bracketed = regexp.MustCompile(`^\[(.+?)\]\s*([#;].*)?$`)

// headerOf reads "[header] # comment". What else follows is left out, as by the
// AWS CLI.
func headerOf(line string) (string, bool) {
	if line[0] != '[' {
		return "", false
	}
	if m := bracketed.FindStringSubmatch(line); m != nil {
		return strings.TrimSpace(m[1]), true
	}
	end := strings.LastIndexByte(line, ']')
	if end < 2 {
		return "", false
	}
	return strings.TrimSpace(line[1:end]), true
}

// cutSetting reads "key = value" and "key: value".
func cutSetting(line string) (key, value string, ok bool) {
	i := strings.IndexAny(line, "=:")
	if i <= 0 {
		return "", "", false
	}
	return strings.ToLower(strings.TrimSpace(line[:i])), strings.TrimSpace(line[i+1:]), true
}

// literal are the settings whose quotes and "#" belong to the value, as for the
// AWS CLI. In others the SDKs take them off, and no value has any.
var literal = map[string]bool{"credential_process": true}

func (v *Value) set(key, text string) {
	v.raw = text
	if !literal[key] {
		text = plain(text)
	}
	v.Text = text
}

// plain is text without a comment and without quotes around all of it.
func plain(text string) string {
	for _, comment := range []string{" #", " ;", "\t#", "\t;"} {
		text, _, _ = strings.Cut(text, comment)
	}
	text = strings.TrimSpace(text)
	for _, quote := range []string{`"`, `'`} {
		if len(text) > 1 && strings.HasPrefix(text, quote) && strings.HasSuffix(text, quote) {
			return text[1 : len(text)-1]
		}
	}
	return text
}

// take adds an indented line to v. It refuses what is a setting of its own, only
// indented more.
func (v *Value) take(line string) bool {
	key, value, setting := cutSetting(line)
	if setting = setting && strings.Trim(key, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""; setting {
		if v.raw != "" {
			return false
		}
		if v.Nested == nil {
			v.Nested = map[string]string{}
		}
		v.Nested[key] = plain(value)
		return true
	}
	if _, header := headerOf(line); header {
		return false
	}
	v.Text = strings.TrimSpace(v.Text + "\n" + line)
	v.raw += "\n" + line
	return true
}
