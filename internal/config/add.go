package config

import (
	"bytes"
	"cmp"
	"errors"
	"strings"

	"go.yaml.in/yaml/v3"
)

// NewTarget is a target to be written into a config file.
type NewTarget struct {
	Name     string
	Database string            // identifier, ARN or endpoint; empty if Name is the identifier
	Options  map[string]string // by the options' names
}

// ErrTaken says that a config file has a target of that name.
var ErrTaken = errors.New("the name is taken")

// AddTarget returns a config file's text with one more target. Comments and everything
// else stay; text may be empty. The file is at path, an absolute one, and what may not
// stand in a file that places find there is an error. So is what is wrong with text, or
// with the target: an *Error or Errors.
func AddTarget(places Places, path string, text []byte, t NewTarget) ([]byte, error) {
	found := places.finds(path)
	before, err := parseFile(path, found, text)
	if err != nil {
		return nil, err
	}
	if s, ok := before.target(t.Name); ok {
		e := problem("there is a target %q already", s.named.Name).hinted("choose another name with --name, or edit the file")
		e.Source, e.kind = before.at(s.line), ErrTaken
		return nil, e
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, err
	}
	if document.Kind == 0 || isNull(document.Content[0]) {
		head := strings.TrimRight(string(text), "\n")
		document = yaml.Node{Kind: yaml.DocumentNode, HeadComment: head, Content: []*yaml.Node{{Kind: yaml.MappingNode, Tag: "!!map"}}}
	}
	root := document.Content[0]
	targets := member(root, "targets")
	if targets == nil || isNull(targets) {
		fresh := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		if targets == nil {
			root.Content = append(root.Content, word("targets"), fresh)
		} else {
			*targets = *fresh
		}
		targets = member(root, "targets")
	}
	targets.Style = 0 // one line would grow too long
	targets.Content = append(targets.Content, word(t.Name), t.node())
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	if err := cmp.Or(e.Encode(&document), e.Close()); err != nil {
		return nil, err
	}
	_, err = parseFile(path, found, out.Bytes())
	return out.Bytes(), err
}

// node is the target's options, in the order of All.
func (t NewTarget) node() *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	add := func(key, value string) { n.Content = append(n.Content, word(key), word(value)) }
	if t.Database != "" {
		add("database", t.Database)
	}
	for _, o := range All() {
		if value, ok := t.Options[o.Name]; ok && value != "" {
			add(o.Name, value)
		}
	}
	return n
}

// word is a scalar. It is read as it is written here, whatever else YAML takes it for, but
// for what means nothing.
func word(text string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Value: text}
	if isNull(n) {
		n.SetString(text)
	}
	return n
}

// member is the value of key in a mapping; nil where there is none.
func member(mapping *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
	}
	return nil
}

// TargetName makes a name for a target of a database: its identifier, or the first label
// of its endpoint, as far as a name may have it.
func TargetName(database string) string {
	t, err := parseName(database)
	if err != nil {
		return ""
	}
	name, _, _ := strings.Cut(t.Name, ".")
	if !validName(name) {
		return ""
	}
	return name
}
