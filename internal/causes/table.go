package causes

import (
	"slices"
	"strings"
)

// Section is a part of the table, as the way of a connection has them.
type Section struct {
	Title string
	Rows  []Cause
}

// Table is every row.
func Table() []Section {
	return []Section{
		{"Credentials", Credentials()},
		{"Finding the database and the jump host", Lookups()},
		{"Session Manager", Sessions()},
		{"The jump host", JumpHost()},
		{"The way to the database", Databases()},
		{"The login", Logins()},
		{"Passwords from Secrets Manager", Secrets()},
		{"The proxy itself", Clients()},
	}
}

// All are the rows of all sections.
func All() []Cause {
	var all []Cause
	for _, s := range Table() {
		all = slices.Concat(all, s.Rows)
	}
	return all
}

// What stands before and after the table in docs/troubleshooting.md.
const (
	MarkdownBegin = "<!-- causes: written by go generate ./internal/causes -->\n"
	MarkdownEnd   = "<!-- end of causes -->"
)

// Markdown is the table as docs/troubleshooting.md has it. Facts stand there as
// *name*.
func Markdown() string {
	var b strings.Builder
	for _, s := range Table() {
		b.WriteString("### " + s.Title + "\n\n| cause | SQLSTATE | message has | it means | do (HINT) |\n|---|---|---|---|---|\n")
		for _, c := range s.Rows {
			b.WriteString("| `" + c.Name + "` | " + orDash(c.SQLState) + " | " + c.words() + " | " + c.Means + " | " + shown(c.Hint) + " |\n")
		}
		b.WriteString("\n")
	}
	return b.String()
}

// words are what to recognise the cause by.
func (c Cause) words() string {
	if c.Message != "" {
		return shown(c.Message)
	}
	if c.Says != "" {
		return "the database's own, with “" + c.Says + "”"
	}
	return "the database's own"
}

func orDash(s string) string {
	if s == "" {
		return "as it was"
	}
	return s
}

// shown is a text with its facts in italics and without the brackets around
// what may be missing.
func shown(text string) string {
	if text == "" {
		return "–"
	}
	var out strings.Builder
	code := false
	for _, r := range text {
		switch {
		case r == '`':
			code = !code
			out.WriteRune(r)
		case r == '[' || r == ']':
		case r == '{' || r == '}':
			if code {
				out.WriteRune(map[rune]rune{'{': '<', '}': '>'}[r])
			} else {
				out.WriteByte('*')
			}
		case r == '|':
			out.WriteString("\\|")
		case r == '*':
			out.WriteString("\\*")
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}
