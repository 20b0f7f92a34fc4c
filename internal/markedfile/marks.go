package markedfile

import (
	"bytes"
	"fmt"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// The marks. A line counts as one when it begins with these words, so that what follows
// them may change.
const (
	Begin = "# pgkeyless: begin"
	End   = "# pgkeyless: end"
)

// Parts are what a file has before the begin mark, between the marks, and behind the
// line of the end mark. Without marks all is Before, and Marked is false.
type Parts struct {
	Before, Inside, After []byte
	Marked                bool
}

// Split finds the marks. Half a pair, or more than one, is a causes.Misuse.
func Split(text []byte) (Parts, error) {
	begin, inside, end, after, line := -1, 0, -1, 0, 0
	for at := 0; at < len(text); {
		next := len(text)
		if i := bytes.IndexByte(text[at:], '\n'); i >= 0 {
			next = at + i + 1
		}
		line++
		words := bytes.TrimLeft(text[at:next], " \t")
		switch {
		case bytes.HasPrefix(words, []byte(Begin)):
			if begin >= 0 {
				return Parts{}, InTheWay(line, "a second begin mark", "leave one pair of marks, or remove all of them")
			}
			begin, inside = at, next
		case bytes.HasPrefix(words, []byte(End)):
			if begin < 0 || end >= 0 {
				return Parts{}, InTheWay(line, "an end mark without its begin mark", "leave one pair of marks, or remove all of them")
			}
			end, after = at, next
		}
		at = next
	}
	switch {
	case begin < 0:
		return Parts{Before: text}, nil
	case end < 0:
		return Parts{}, causes.Misuse("a begin mark without its end mark", fmt.Sprintf("add the line %q where pgkeyless's lines end, or remove them", End))
	}
	return Parts{text[:begin], text[inside:end], text[after:], true}, nil
}

// InTheWay is a line, counted from 1, that keeps a file from being written.
func InTheWay(line int, problem, help string) error {
	return causes.Misuse(fmt.Sprintf("line %d: %s", line, problem), help)
}

// Block is lines between marks; about follows the words of the first.
func Block(about string, lines []byte) []byte {
	return fmt.Appendf(nil, "%s %s\n%s%s\n", Begin, about, lines, End)
}
