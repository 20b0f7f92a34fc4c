package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/testenv"
)

// decode reads one JSON log line; its values come as text.
func decode(t *testing.T, line string) map[string]string {
	t.Helper()
	var record map[string]any
	if err := json.Unmarshal([]byte(line), &record); err != nil {
		t.Fatalf("%q is not one JSON record: %v", line, err)
	}
	text := map[string]string{}
	for k, v := range record {
		text[k] = fmt.Sprint(v)
	}
	return text
}

func TestLogLinesForPeople(t *testing.T) {
	var out bytes.Buffer
	log := newLog(&out, config.Run{}).With("session", 3, "detail", "")
	log.Debug("unseen")
	log.Info("session ended", "user", "app user", "hint", "", "took", 1500*time.Millisecond)
	log.WithGroup("g").Warn("two\nlines", "error", errors.New("a\nb"))
	want := regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d info session ended session=3 user="app user" took=1.5s
\d{4}-\d\d-\d\d \d\d:\d\d:\d\d warn two; lines session=3 g.error="a\\nb"
$`)
	if !want.MatchString(out.String()) {
		t.Errorf("got\n%swant\n%s", &out, want)
	}
}

func TestStructuredLogFields(t *testing.T) {
	var out bytes.Buffer
	newLog(&out, config.Run{StructuredLogs: true}).With("route", testenv.Orders, "detail", "").Warn("degraded", "took", time.Second, "hint", "")
	record := decode(t, out.String())
	if _, err := time.Parse(time.RFC3339Nano, record["timestamp"]); err != nil {
		t.Errorf("timestamp: %v", err)
	}
	delete(record, "timestamp")
	want := map[string]string{"severity": "WARN", "message": "degraded", "route": testenv.Orders, "took": "1s"}
	if fmt.Sprint(record) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", record, want)
	}
}

// A client may name itself so that a terminal clears its screen, or so that a line
// reads backwards.
func TestLogsHoldNothingThatATerminalObeys(t *testing.T) {
	const odd = "\x1b[2J \u009b2J \u202edrowssap\u2066"
	for _, run := range []config.Run{{}, {StructuredLogs: true}} {
		var out bytes.Buffer
		log := newLog(&out, run).With("application_name", odd)
		log.Warn("client "+odd, "error", errors.New(odd), "group", struct{ Name string }{odd})
		if strings.ContainsAny(out.String(), "\x1b\u009b\u202e\u2066") {
			t.Errorf("structured %v: %q", run.StructuredLogs, out.String())
		}
		if run.StructuredLogs && decode(t, out.String())["application_name"] != odd {
			t.Errorf("who reads the JSON gets %q, want the name as it was", decode(t, out.String())["application_name"])
		}
	}
	var out bytes.Buffer
	fmt.Fprintf(&lockedWriter{w: &out}, "served by %s\n", odd)
	if strings.ContainsAny(out.String(), "\x1b\u009b\u202e\u2066") {
		t.Errorf("on stderr: %q", out.String())
	}
}

func TestLogLevels(t *testing.T) {
	for _, tt := range []struct {
		run  config.Run
		want string
	}{
		{config.Run{}, "info warn error"},
		{config.Run{DebugLogs: true}, "debug info warn error"},
		{config.Run{Quiet: true}, "error"},
		{config.Run{Quiet: true, StructuredLogs: true}, "error"},
		{config.Run{DebugLogs: true, StructuredLogs: true}, "debug info warn error"},
	} {
		var out bytes.Buffer
		log := newLog(&out, tt.run)
		log.Debug("m-debug")
		log.Info("m-info")
		log.Warn("m-warn")
		log.Error("m-error")
		var got []string
		for _, m := range regexp.MustCompile(`m-(\w+)`).FindAllStringSubmatch(out.String(), -1) {
			got = append(got, m[1])
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%+v writes %q, want %q", tt.run, got, tt.want)
		}
	}
}
