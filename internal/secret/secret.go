// Package secret keeps passwords and tokens out of logs, errors and files.
package secret

import (
	"fmt"
	"io"
	"log/slog"
)

// redacted is what is shown of a secret.
const redacted = "[redacted]"

// Text is a secret: whoever has it can act as somebody else. fmt by any verb,
// slog, and what encodes text or JSON show "[redacted]" in its place; Reveal is the
// only way to the words. The zero value is the empty text.
//
// It holds its words by a pointer, so that even what looks into the unexported
// fields of a struct, as fmt does, finds an address.
type Text struct{ words *string }

// New makes a secret of words.
func New(words string) Text { return Text{&words} }

// Reveal returns the words, for the one place that they are meant for.
func (t Text) Reveal() string {
	if t.words == nil {
		return ""
	}
	return *t.words
}

func (Text) String() string               { return redacted }
func (Text) GoString() string             { return redacted }
func (Text) Format(s fmt.State, _ rune)   { io.WriteString(s, redacted) }
func (Text) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (Text) MarshalText() ([]byte, error) { return []byte(redacted), nil }
