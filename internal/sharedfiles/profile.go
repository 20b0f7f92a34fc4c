package sharedfiles

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// DefaultProfile needs no "profile" before it.
const DefaultProfile = "default"

// The keys that belong together: those of one file are not mixed with another's.
var staticKeys = []string{"aws_access_key_id", "aws_secret_access_key", "aws_session_token"}

// Section is a profile, or another named group of settings. The zero value has
// none.
type Section struct {
	Name   string // of the profile, without "profile"
	values map[string]*Value
}

// Get returns the setting key, or "".
func (s Section) Get(key string) string {
	if v := s.values[key]; v != nil {
		return v.Text
	}
	return ""
}

// Nested returns the settings beneath key.
func (s Section) Nested(key string) map[string]string {
	if v := s.values[key]; v != nil {
		return v.Nested
	}
	return nil
}

// Keys returns the settings there are, sorted.
func (s Section) Keys() []string { return slices.Sorted(maps.Keys(s.values)) }

// Where says where key stands: "sso_region in [profile dev] of /…/config, line 7".
func (s Section) Where(key string) string {
	v := s.values[key]
	if v == nil {
		return ""
	}
	return fmt.Sprintf("%s in [%s] of %s, line %d", key, v.header, v.file, v.line)
}

// Section says in which section of which file key stands: "[profile dev] of
// /…/config".
func (s Section) Section(key string) string {
	v := s.values[key]
	if v == nil {
		return ""
	}
	return fmt.Sprintf("[%s] of %s", v.header, v.file)
}

// Place says in which sections of which files s stands, wherever its settings
// are.
func (s Section) Place() string {
	var places []string
	for _, key := range s.Keys() {
		if place := s.Section(key); !slices.Contains(places, place) {
			places = append(places, place)
		}
	}
	return strings.Join(places, " and ")
}

// OfFile reports whether key stands in f.
func (s Section) OfFile(key string, f File) bool {
	return s.values[key] != nil && s.values[key].file == f.Path
}

// Profile returns the profile name: what the config file says of it, overridden
// by the credentials file.
func (f Files) Profile(name string) (Section, bool) {
	config, there := f.Config.named("profile", name)
	if !there && name == DefaultProfile {
		config, there = f.Config.find(name)
	}
	keys, more := f.Credentials.find(name)
	if !there && !more || strings.HasPrefix(name, "profile ") {
		return Section{Name: name}, false
	}
	s := Section{Name: name, values: map[string]*Value{}}
	if there {
		maps.Copy(s.values, config.values)
	}
	if more {
		if keys.values[staticKeys[0]] != nil || keys.values[staticKeys[1]] != nil {
			for _, key := range staticKeys {
				delete(s.values, key)
			}
		}
		maps.Copy(s.values, keys.values)
	}
	return s, true
}

// SSOSession returns [sso-session name] of the config file.
func (f Files) SSOSession(name string) (Section, bool) { return f.other("sso-session", name) }

// Services returns [services name] of the config file.
func (f Files) Services(name string) (Section, bool) { return f.other("services", name) }

func (f Files) other(kind, name string) (Section, bool) {
	s, ok := f.Config.named(kind, name)
	if !ok {
		return Section{Name: name}, false
	}
	return Section{Name: name, values: s.values}, true
}

func (f File) find(header string) (*section, bool) {
	for _, s := range f.sections {
		if s.header == header {
			return s, true
		}
	}
	return nil, false
}

func (f File) named(kind, name string) (*section, bool) {
	for _, s := range f.sections {
		if got, ok := nameOf(kind, s.header); ok && got == name {
			return s, true
		}
	}
	return nil, false
}

// nameOf reads a header such as `profile dev`, `profile "my dev"`, or
// `profile my dev`, which only the SDKs take.
func nameOf(kind, header string) (string, bool) {
	rest, ok := strings.CutPrefix(header, kind)
	name := strings.TrimLeft(rest, " \t")
	if !ok || name == rest || name == "" {
		return "", false
	}
	if words, ok := shellWords(name); ok && len(words) == 1 {
		return words[0], true
	}
	return name, true
}

// Near says what there is in place of the profile name, for a person who
// mistook the form of a section: "" when there is nothing like it.
func (f Files) Near(name string) string {
	for _, s := range f.Config.sections {
		if name == DefaultProfile {
			break
		}
		bare := strings.EqualFold(s.header, name)
		got, ok := nameOf("profile", strings.ToLower(s.header))
		if words, _ := shellWords(s.header); len(words) == 1 && !bare {
			bare = strings.EqualFold(words[0], "profile"+name) || strings.EqualFold(words[0], name)
		}
		if bare || ok && got == strings.ToLower(name) {
			return fmt.Sprintf("there is [%s] in %s, line %d; in the config file it must be [%s]", s.header, f.Config.Path, s.line, "profile "+quoted(name))
		}
	}
	for _, s := range f.Credentials.sections {
		got, ok := nameOf("profile", strings.ToLower(s.header))
		words, _ := shellWords(s.header)
		if ok && got == strings.ToLower(name) || strings.EqualFold(s.header, name) || len(words) == 1 && words[0] == name {
			return fmt.Sprintf("there is [%s] in %s, line %d; in the credentials file it must be [%s]", s.header, f.Credentials.Path, s.line, name)
		}
	}
	return ""
}

func quoted(name string) string {
	if words, ok := shellWords(name); ok && len(words) == 1 && words[0] == name {
		return name
	}
	return `"` + name + `"`
}

// shellWords splits text as a POSIX shell would, and says whether its quotes end.
//
// Source: Python's shlex.split, which the AWS CLI applies to section names.
func shellWords(text string) ([]string, bool) {
	var words []string
	var word strings.Builder
	var quote rune
	inWord, escaped := false, false
	for _, r := range text {
		switch {
		case escaped:
			if quote == '"' && r != '"' && r != '\\' {
				word.WriteByte('\\')
			}
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, inWord = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, inWord = r, true
		case r == ' ' || r == '\t' || r == '\n' || r == '\r':
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, quote == 0 && !escaped
}

// Profiles are the names of all profiles, in order.
func (f Files) Profiles() []string {
	var all []string
	for _, s := range f.Config.sections {
		if name, ok := nameOf("profile", s.header); ok {
			all = append(all, name)
		} else if s.header == DefaultProfile {
			all = append(all, DefaultProfile)
		}
	}
	for _, s := range f.Credentials.sections {
		all = append(all, s.header)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
