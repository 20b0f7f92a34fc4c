package proxy

import (
	"strconv"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// space is what separates the words of an options parameter.
const space = " \t\n\v\f\r"

// parseOptions returns the run-time parameters that the start-up parameter options sets,
// in order. It reads options as the server does, which takes it for the command line of a
// process: `-c name=value` and its like, and all other switches. Those that mean nothing to
// a server process set nothing. The error says which word of options is at fault; it
// repeats none, because a word may hold a value.
//
// Source: postgres: process_postgres_switches in src/backend/tcop/postgres.c.
func parseOptions(options string) ([]param, error) {
	words := splitOptions(options)
	var settings []param
	for n := 0; n < len(words); n++ {
		word := words[n]
		if word == "--" {
			if n+1 < len(words) {
				return nil, badOption(n + 1)
			}
			break
		}
		if len(word) < 2 || word[0] != '-' {
			return nil, badOption(n)
		}
		for at := 1; at < len(word); at++ {
			letter, argument := word[at], ""
			if strings.IndexByte(switchesWithArgument, letter) >= 0 {
				if argument = word[at+1:]; argument == "" {
					if n++; n == len(words) {
						return nil, badOption(n - 1)
					}
					argument = words[n]
				}
				at = len(word)
			}
			set, ok := switchMeans(letter, argument)
			if !ok {
				return nil, badOption(n)
			}
			settings = append(settings, set...)
		}
	}
	return settings, nil
}

func badOption(word int) error {
	return causes.OptionsMalformed.New(causes.Facts{"number": strconv.Itoa(word + 1)}, nil)
}

// splitOptions splits options at white space. A backslash keeps the character behind it,
// white space and backslashes alike.
//
// Source: postgres: pg_split_opts in src/backend/utils/init/postinit.c.
func splitOptions(options string) []string {
	var words []string
	for {
		options = strings.TrimLeft(options, space)
		if options == "" {
			return words
		}
		var word strings.Builder
		escaped, end := false, len(options)
		for i := range len(options) {
			c := options[i]
			if !escaped && strings.IndexByte(space, c) >= 0 {
				end = i
				break
			}
			if escaped = !escaped && c == '\\'; !escaped {
				word.WriteByte(c)
			}
		}
		words = append(words, word.String())
		options = options[end:]
	}
}

// switchesWithArgument take the rest of their word, or the word behind it.
const switchesWithArgument = "BCDNSWcdfhkprtv-"

// switchSettings are the switches that give one run-time parameter the value of their
// argument.
var switchSettings = map[byte]string{
	'B': "shared_buffers", 'N': "max_connections", 'S': "work_mem", 'W': "post_auth_delay",
	'h': "listen_addresses", 'k': "unix_socket_directories", 'p': "port",
}

// switchConstants are those without an argument that set one.
var switchConstants = map[byte]param{
	'F': {"fsync", "false"}, 'O': {"allow_system_table_mods", "true"}, 'P': {"ignore_system_indexes", "true"},
	'e': {"datestyle", "euro"}, 'i': {"listen_addresses", "*"}, 'l': {"ssl", "true"}, 's': {"log_statement_stats", "true"},
}

// switchPlans and switchStatistics are what the arguments of -f and -t begin with.
var (
	switchPlans = map[byte]string{
		'b': "enable_bitmapscan", 'h': "enable_hashjoin", 'i': "enable_indexscan", 'm': "enable_mergejoin",
		'n': "enable_nestloop", 'o': "enable_indexonlyscan", 's': "enable_seqscan", 't': "enable_tidscan",
	}
	switchStatistics = map[string]string{"pa": "log_parser_stats", "pl": "log_planner_stats", "e": "log_executor_stats"}
)

// ignoredSwitches are for a server that is started by hand. Sent by a client they do nothing.
const ignoredSwitches = "CDETbjnrv"

// switchMeans is what one switch sets. ok is false for one that the server does not know.
func switchMeans(letter byte, argument string) (set []param, ok bool) {
	if name, ok := switchSettings[letter]; ok {
		return []param{{name, argument}}, true
	}
	if constant, ok := switchConstants[letter]; ok {
		return []param{constant}, true
	}
	switch letter {
	case 'c', '-':
		name, value, ok := strings.Cut(argument, "=")
		name = strings.ReplaceAll(name, "-", "_")
		return []param{{name, value}}, ok && name != ""
	case 'd':
		return debugSettings(leadingNumber(argument)), true
	case 'f':
		if argument == "" {
			return nil, false
		}
		name, ok := switchPlans[argument[0]]
		return []param{{name, "false"}}, ok
	case 't':
		for begin, name := range switchStatistics {
			if strings.HasPrefix(argument, begin) {
				return []param{{name, "true"}}, true
			}
		}
		return nil, false
	}
	return nil, strings.IndexByte(ignoredSwitches, letter) >= 0
}

// debugSettings is what -d sets.
//
// Source: postgres: set_debug_options in src/backend/tcop/postgres.c.
func debugSettings(level int) []param {
	if level <= 0 {
		return []param{{"log_min_messages", "notice"}}
	}
	set := []param{{"log_min_messages", "debug" + strconv.Itoa(level)}}
	for i, more := range []param{{"log_statement", "all"}, {"debug_print_parse", "true"}, {"debug_print_plan", "true"}, {"debug_print_rewritten", "true"}} {
		if level >= i+2 {
			set = append(set, more)
		}
	}
	return set
}

// leadingNumber is what C's atoi makes of text, for numbers of a sensible size.
func leadingNumber(text string) int {
	text = strings.TrimLeft(text, space)
	end := 0
	for end < len(text) && (text[end] >= '0' && text[end] <= '9' || end == 0 && (text[0] == '-' || text[0] == '+')) {
		end++
	}
	n, _ := strconv.Atoi(text[:end]) // no number: 0
	return n
}
