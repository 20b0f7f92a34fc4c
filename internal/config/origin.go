package config

import "strconv"

// Source is a kind of place where settings stand.
type Source string

// Sources, the most particular first.
const (
	FromTarget   Source = "target"   // the target's own query string
	FromFlag     Source = "flag"     // --via
	FromVariable Source = "variable" // PGKEYLESS_VIA
	FromFile     Source = "file"     // the config file
	FromDefault  Source = "default"  // nobody said anything
)

// Origin says where a setting came from.
type Origin struct {
	Source Source
	// Place is the flag, the variable, or FILE:LINE; "found" for a config file
	// that nobody named; empty for others.
	Place string

	label string // how an error begins
}

func flagOrigin(option string) Origin {
	return Origin{FromFlag, "--" + option, "--" + option}
}

func variableOrigin(option string) Origin {
	o, _ := find(option)
	return Origin{FromVariable, o.Variable(), o.Variable()}
}

func targetOrigin(target, option string) Origin {
	return Origin{FromTarget, "", "target " + strconv.Quote(target) + ": option " + option}
}

// Setting is one option's value and where it came from.
type Setting struct {
	Name string
	// Value is as it would be written; for a default it is in words, and
	// empty when there is none.
	Value  string
	Origin Origin
	// Overrides is the line of the config file that gives the target another value,
	// which a flag or variable has replaced; empty for none.
	Overrides string
}

// setting is a value in one layer.
type setting struct {
	text   string
	origin Origin
	shared bool   // under defaults: of the file
	over   string // FILE:LINE of the target's own value that this one replaced
}

// layer is what one source says, by the options' own names.
type layer map[string]setting

// flagLayer holds the flags given, by the options' own names.
func flagLayer(flags map[string]string) layer {
	l := layer{}
	for name, v := range flags {
		l[name] = setting{text: v, origin: flagOrigin(name)}
	}
	return l
}

// targets are those that options of l name.
func (l layer) targets() []string {
	var names []string
	for _, o := range All() {
		if v, ok := l[o.Name]; ok && o.NamesTarget() {
			names = append(names, v.text)
		}
	}
	return names
}

// settings lists the options that wanted picks, with what won in l.
func (l layer) settings(wanted func(Option) bool) []Setting {
	var list []Setting
	for _, o := range All() {
		if !wanted(o) {
			continue
		}
		s := Setting{Name: o.Name, Value: o.Default, Origin: Origin{Source: FromDefault}}
		if v, ok := l[o.Name]; ok {
			s.Value, s.Origin, s.Overrides = v.text, v.origin, v.over
		} else if o.Switch() {
			s.Value = "false"
		}
		list = append(list, s)
	}
	return list
}
