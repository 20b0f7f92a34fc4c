package causes

import "strings"

// Cause is one row of the table.
type Cause struct {
	// Name identifies the cause for good, in logs and in doctor's output.
	Name string
	// SQLState is empty where the database's own is kept.
	SQLState string
	// Message, Detail and Hint are texts with facts, as the package comment has
	// it. Where Says is set by a database, Message is empty: its words are kept.
	Message, Detail, Hint string
	// Says is what the other side's text must contain, in lower case, for this
	// cause to apply. Empty where something else tells.
	Says string
	// Passing says that the same attempt may succeed a second later.
	Passing bool
	// Stale says that the address dialled leads nowhere, or to another server: one
	// that was looked up may have changed since.
	Stale bool
	// Final says that waiting helps nothing: only a person who starts pgkeyless
	// anew can.
	Final bool
	// Means is for people who read the table.
	Means string
}

// Facts are what is known of one failure, by the names that texts use. An empty
// fact is not known.
type Facts map[string]string

// With returns f with further facts, f unchanged.
func (f Facts) With(more Facts) Facts {
	all := make(Facts, len(f)+len(more))
	for name, value := range f {
		all[name] = value
	}
	for name, value := range more {
		all[name] = value
	}
	return all
}

// Told is a row with its facts filled in.
type Told struct {
	SQLState, Message, Detail, Hint string
}

// Fill puts facts into the row's texts. A fact that is missing outside brackets
// leaves its name standing in the text.
func (c Cause) Fill(f Facts) Told {
	return Told{c.SQLState, f.fill(c.Message), f.fill(c.Detail), f.fill(c.Hint)}
}

func (f Facts) fill(text string) string {
	var out strings.Builder
	for text != "" {
		i := strings.IndexAny(text, "{[")
		if i < 0 {
			break
		}
		out.WriteString(text[:i])
		end := map[byte]byte{'{': '}', '[': ']'}[text[i]]
		n := strings.IndexByte(text[i:], end)
		if n < 0 {
			text = text[i:]
			break
		}
		inner := text[i+1 : i+n]
		switch {
		case end == ']':
			if f.knows(inner) {
				out.WriteString(f.fill(inner))
			}
		case f[inner] != "":
			out.WriteString(f[inner])
		default:
			out.WriteString(inner)
		}
		text = text[i+n+1:]
	}
	out.WriteString(text)
	return out.String()
}

// knows reports whether every fact in text is known.
func (f Facts) knows(text string) bool {
	for _, name := range Names(text) {
		if f[name] == "" {
			return false
		}
	}
	return true
}

// Names are the facts that a text has places for.
func Names(text string) []string {
	var names []string
	for {
		_, rest, ok := strings.Cut(text, "{")
		if !ok {
			return names
		}
		name, after, ok := strings.Cut(rest, "}")
		if !ok {
			return names
		}
		names = append(names, name)
		text = after
	}
}

// Spoken returns the first of rows whose Says is in text, whatever its case.
func Spoken(rows []Cause, text string) (Cause, bool) {
	text = strings.ToLower(text)
	for _, c := range rows {
		if c.Says != "" && strings.Contains(text, c.Says) {
			return c, true
		}
	}
	return Cause{}, false
}
