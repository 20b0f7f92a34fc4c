package proxy

import (
	"slices"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

func TestOptionsAreReadAsThePostgreSQLServerReadsThem(t *testing.T) {
	for _, test := range []struct {
		options string
		want    []param
	}{
		{"", nil},
		{" \t\n\v\f\r", nil},
		{"-c search_path=shop", []param{{"search_path", "shop"}}},
		{"  -csearch_path=shop\t-c\na=b ", []param{{"search_path", "shop"}, {"a", "b"}}},
		{"--search-path=shop,public", []param{{"search_path", "shop,public"}}},
		{"-c statement-timeout=0", []param{{"statement_timeout", "0"}}},
		{`-c a=b\ c\\d\e -c x=`, []param{{"a", `b c\de`}, {"x", ""}}},
		{`-c a=\`, []param{{"a", ""}}},
		{"-c a=b=c", []param{{"a", "b=c"}}},
		{"-c a=1 -c a=2", []param{{"a", "1"}, {"a", "2"}}},
		{"-- ", nil},
		{"-c a=b --", []param{{"a", "b"}}},
		{"-e", []param{{"datestyle", "euro"}}},
		{"-ec a=b", []param{{"datestyle", "euro"}, {"a", "b"}}},
		{"-es-a=b", []param{{"datestyle", "euro"}, {"log_statement_stats", "true"}, {"a", "b"}}},
		{"-S 64 -B12", []param{{"work_mem", "64"}, {"shared_buffers", "12"}}},
		{"-fs -f m", []param{{"enable_seqscan", "false"}, {"enable_mergejoin", "false"}}},
		{"-tpa -t e", []param{{"log_parser_stats", "true"}, {"log_executor_stats", "true"}}},
		{"-d0", []param{{"log_min_messages", "notice"}}},
		{"-d 3x", []param{{"log_min_messages", "debug3"}, {"log_statement", "all"}, {"debug_print_parse", "true"}}},
		{"-FOPil", []param{{"fsync", "false"}, {"allow_system_table_mods", "true"}, {"ignore_system_indexes", "true"}, {"listen_addresses", "*"}, {"ssl", "true"}}},
		{"-bEjnT -C x -D /data -r/out -v 3", nil},
	} {
		got, err := parseOptions(test.options)
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%q: got %q, %v, want %q", test.options, got, err, test.want)
		}
	}
}

func TestOptionsThatAreNoneNameTheirPlace(t *testing.T) {
	const value = "secret_value"
	for options, want := range map[string]string{
		value:                        "argument 1",
		"-c a=b " + value:            "argument 3",
		"-c " + value:                "argument 2",
		"-c":                         "argument 1",
		"-c a=b -c":                  "argument 3",
		"--" + value:                 "argument 1",
		"-c =" + value:               "argument 2",
		"-- " + value:                "argument 2",
		"-Z":                         "argument 1",
		"-c a=b -eZ" + value:         "argument 3",
		"-":                          "argument 1",
		`\`:                          "argument 1",
		"-f " + value[1:]:            "argument 2", // no method of joining begins so
		"-t" + value:                 "argument 1",
		"-:":                         "argument 1",
		`-c a=b\ c ` + value + " -e": "argument 3",
	} {
		got, err := parseOptions(options)
		if err == nil || !strings.HasSuffix(err.Error(), " "+want) || strings.Contains(err.Error()+causes.Hint(err)+causes.Detail(err), value) {
			t.Errorf("%q: got %q, %v, want an error of %q", options, got, err, want)
		}
		if state(err) != "42601" {
			t.Errorf("%q: SQLSTATE %s", options, state(err))
		}
	}
}

// FuzzOptions compares the splitting with the server's own, told over again, and wants
// what was read to be read again from options made of it.
func FuzzOptions(f *testing.F) {
	for _, options := range []string{"-c a=b", `-c search_path=a,\ b --c-d=\\e\ f`, "-eFfs -c", "-d5 -tpl -- x", " \\", "-c a=\xff\\\x00", `\ \\ `} {
		f.Add(options)
	}
	f.Fuzz(func(t *testing.T, options string) {
		words := splitOptions(options)
		if want := splitAsTheServer(options); !slices.Equal(words, want) {
			t.Fatalf("%q: words %q, want %q", options, words, want)
		}
		settings, err := parseOptions(options)
		if err != nil {
			if settings != nil || !strings.HasPrefix(err.Error(), "the start-up parameter options is invalid: ") {
				t.Fatalf("%q: %q, %v", options, settings, err)
			}
			return
		}
		var again strings.Builder
		escape := strings.NewReplacer(`\`, `\\`, " ", `\ `, "\t", "\\\t", "\n", "\\\n", "\v", "\\\v", "\f", "\\\f", "\r", "\\\r")
		for _, p := range settings {
			if p.name == "" || strings.ContainsAny(p.name, "-=") {
				t.Fatalf("%q: name %q", options, p.name)
			}
			again.WriteString(" -c " + escape.Replace(p.name+"="+p.value))
		}
		if got, err := parseOptions(again.String()); err != nil || !slices.Equal(got, settings) {
			t.Fatalf("%q: %q from %q, %v, want %q", options, got, again.String(), err, settings)
		}
	})
}

// splitAsTheServer goes byte by byte, as C does.
func splitAsTheServer(options string) (words []string) {
	isSpace := func(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }
	for i := 0; ; {
		for i < len(options) && isSpace(options[i]) {
			i++
		}
		if i == len(options) {
			return words
		}
		var word []byte
		lastWasEscape := false
		for ; i < len(options); i++ {
			if isSpace(options[i]) && !lastWasEscape {
				break
			}
			if !lastWasEscape && options[i] == '\\' {
				lastWasEscape = true
			} else {
				lastWasEscape = false
				word = append(word, options[i])
			}
		}
		words = append(words, string(word))
	}
}
