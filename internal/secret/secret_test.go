package secret

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

const words = "very-secret"

func TestSecretIsRedacted(t *testing.T) {
	token := New(words)
	var text, lines bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&text, nil), slog.NewJSONHandler(&lines, nil)} {
		slog.New(h).Info("x", "token", token, "in", struct{ T Text }{token}, "group", slog.GroupValue(slog.Any("t", token)))
	}
	encoded, err := json.Marshal(map[string]any{"token": token, "in": struct{ T *Text }{&token}})
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]string{
		"String": token.String(), "JSON": string(encoded), "slog text": text.String(), "slog JSON": lines.String(),
		"error": fmt.Errorf("token %v: %w", token, errors.New("refused")).Error(), "Sprint": fmt.Sprint(token), "pointer": fmt.Sprint(&token),
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%20s"} {
		shown[verb] = fmt.Sprintf(verb, token)
		shown[verb+" in a struct"] = fmt.Sprintf(verb, struct{ T Text }{token})
	}
	for how, text := range shown {
		if strings.Contains(text, words) || strings.Contains(text, fmt.Sprintf("%x", words)) || !strings.Contains(text, redacted) {
			t.Errorf("%s: %q, want %s", how, text, redacted)
		}
	}
}

// fmt does not call methods of what stands in unexported fields.
func TestSecretInAnUnexportedFieldIsNotShown(t *testing.T) {
	in := struct{ t Text }{New(words)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if shown := fmt.Sprintf(verb, in); strings.Contains(shown, words) || strings.Contains(shown, fmt.Sprintf("%x", words)) {
			t.Errorf("%s: %q", verb, shown)
		}
	}
}

func TestRevealReturnsTheWords(t *testing.T) {
	if got := New(words).Reveal(); got != words {
		t.Errorf("got %q", got)
	}
	if got := (Text{}).Reveal(); got != "" {
		t.Errorf("the zero value is %q", got)
	}
}
