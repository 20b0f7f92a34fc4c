package cli

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/display"
)

// newLog makes the logger of a run: lines for people, or JSON lines with
// severity, message and timestamp. Attributes that are empty strings are left out.
func newLog(w io.Writer, run config.Run) *slog.Logger {
	level := slog.LevelInfo
	switch {
	case run.DebugLogs:
		level = slog.LevelDebug
	case run.Quiet:
		level = slog.LevelError
	}
	if run.StructuredLogs {
		return slog.New(slog.NewJSONHandler(display.Escaping(w), &slog.HandlerOptions{Level: level, ReplaceAttr: withoutEmpty(rename(map[string]string{
			slog.LevelKey: "severity", slog.MessageKey: "message", slog.TimeKey: "timestamp",
		}))}))
	}
	return slog.New(newLineHandler(w, level))
}

// rename gives slog's own attributes other names; an empty one drops them.
// Durations are written as in "1.5s" everywhere, not as nanoseconds.
func rename(names map[string]string) func([]string, slog.Attr) slog.Attr {
	return func(groups []string, attr slog.Attr) slog.Attr {
		if name, ok := names[attr.Key]; ok && len(groups) == 0 {
			if name == "" {
				return slog.Attr{}
			}
			attr.Key = name
		}
		if attr.Value.Kind() == slog.KindDuration {
			attr.Value = slog.StringValue(attr.Value.Duration().String())
		}
		return attr
	}
}

// lineHandler writes records for people: time, level, message, then the
// attributes as key=value.
//
//	2026-11-23 06:45:01 info session ended session=3 route=orders…
type lineHandler struct {
	attrs slog.Handler // writes the attributes alone into line
	out   *lineOutput  // shared by all handlers made from one
}

type lineOutput struct {
	mu   sync.Mutex
	w    io.Writer
	line bytes.Buffer
}

func newLineHandler(w io.Writer, level slog.Level) *lineHandler {
	out := &lineOutput{w: display.Escaping(w)}
	return &lineHandler{out: out, attrs: slog.NewTextHandler(&out.line, &slog.HandlerOptions{
		Level:       level,
		ReplaceAttr: withoutEmpty(rename(map[string]string{slog.LevelKey: "", slog.MessageKey: "", slog.TimeKey: ""})),
	})}
}

// withoutEmpty drops empty strings, which tell nothing.
func withoutEmpty(replace func([]string, slog.Attr) slog.Attr) func([]string, slog.Attr) slog.Attr {
	return func(groups []string, attr slog.Attr) slog.Attr {
		if attr.Value.Kind() == slog.KindString && attr.Value.String() == "" {
			return slog.Attr{}
		}
		return replace(groups, attr)
	}
}

func (h *lineHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.attrs.Enabled(ctx, level)
}

func (h *lineHandler) Handle(ctx context.Context, r slog.Record) error {
	h.out.mu.Lock()
	defer h.out.mu.Unlock()
	h.out.line.Reset()
	h.out.line.WriteString(r.Time.Format(time.DateTime) + " " + strings.ToLower(r.Level.String()) + " " + display.Line(r.Message) + " ")
	if err := h.attrs.Handle(ctx, r); err != nil {
		return err
	}
	line := append(bytes.TrimRight(h.out.line.Bytes(), " \n"), '\n')
	_, err := h.out.w.Write(line)
	return err
}

func (h *lineHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &lineHandler{h.attrs.WithAttrs(attrs), h.out}
}

func (h *lineHandler) WithGroup(name string) slog.Handler {
	return &lineHandler{h.attrs.WithGroup(name), h.out}
}
