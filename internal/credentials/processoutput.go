package credentials

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pgkeyless/pgkeyless/internal/display"
)

// readKeys reads what a credential_process printed. Its errors repeat none of it
// but what is no secret.
func readKeys(out []byte) (aws.Credentials, *processError) {
	text := strings.TrimSpace(strings.TrimPrefix(string(out), "\uFEFF"))
	if text == "" {
		return aws.Credentials{}, &processError{said: "it printed nothing on stdout"}
	}
	members, wrong := jsonObject(text)
	if wrong != "" && runtime.GOOS == "windows" { // cmd.exe's echo keeps the backslashes before quotes
		if again, still := jsonObject(strings.ReplaceAll(text, `\"`, `"`)); still == "" {
			members, wrong = again, ""
		}
	}
	if wrong != "" {
		return aws.Credentials{}, &processError{said: wrong}
	}
	var version float64
	if json.Unmarshal(members["version"], &version) != nil || version != 1 {
		said := `its JSON has no "Version": 1`
		if text, ok := members["version"]; ok && len(text) < 20 {
			said = fmt.Sprintf(`its JSON has "Version": %s in place of 1`, display.Line(string(text)))
		}
		return aws.Credentials{}, &processError{said: said}
	}
	var keys aws.Credentials
	for _, m := range []struct {
		name   string
		to     *string
		needed bool
	}{{"AccessKeyId", &keys.AccessKeyID, true}, {"SecretAccessKey", &keys.SecretAccessKey, true}, {"SessionToken", &keys.SessionToken, false}, {"AccountId", &keys.AccountID, false}} {
		text, ok := members[strings.ToLower(m.name)]
		if ok && json.Unmarshal(text, m.to) != nil && m.name != "AccountId" {
			return aws.Credentials{}, &processError{said: fmt.Sprintf("%s in its JSON is not a string", m.name)}
		}
		if m.needed && *m.to == "" {
			return aws.Credentials{}, &processError{said: fmt.Sprintf("its JSON has no %s", m.name)}
		}
	}
	expiration, ok := members["expiration"]
	if !ok || string(expiration) == "null" {
		return keys, nil
	}
	ends, err := readTime(expiration)
	if err != nil {
		return aws.Credentials{}, &processError{
			said: fmt.Sprintf(`its JSON has "Expiration": %s, which is not a time such as "2026-01-31T15:04:05Z"`, display.Line(string(expiration[:min(len(expiration), 60)]))),
			fix:  "leave Expiration out if the keys do not expire",
		}
	}
	keys.CanExpire, keys.Expires = true, ends
	return keys, nil
}

// jsonObject returns the members of the one object that text is, by their names in
// lower case, or says what else text is.
func jsonObject(text string) (members map[string]json.RawMessage, wrong string) {
	var exact map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &exact); err == nil && exact != nil {
		members = make(map[string]json.RawMessage, len(exact))
		for name, value := range exact {
			members[strings.ToLower(name)] = value
		}
		return members, ""
	}
	for i := strings.IndexByte(text, '{'); i >= 0; {
		decode := json.NewDecoder(strings.NewReader(text[i:]))
		if decode.Decode(&exact) == nil && exact != nil {
			_, err := decode.Token()
			switch before, after := i > 0, err != io.EOF; {
			case before && after:
				return nil, "it prints text before and after its JSON"
			case before:
				return nil, "it prints text before its JSON"
			default:
				return nil, "it prints text after its JSON"
			}
		}
		next := strings.IndexByte(text[i+1:], '{')
		if next < 0 {
			break
		}
		i += 1 + next
	}
	return nil, "what it prints is not JSON"
}

// timeLayouts are what the AWS CLI, whose reader guesses, is known to be given. A
// time without a zone is UTC.
var timeLayouts = []string{
	time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07", "2006-01-02T15:04Z07:00", "2006-01-02T15:04",
	"2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05Z0700", "2006-01-02 15:04:05 Z07:00", "2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05 -0700 MST", "2006-01-02 15:04:05 MST", "2006-01-02 15:04:05", "2006-01-02 15:04",
	"20060102T150405Z07:00", "20060102T150405Z0700", "20060102T150405",
	time.RFC1123, time.RFC1123Z, time.RFC850, time.ANSIC, time.UnixDate, time.RubyDate, "Mon, 2 Jan 2006 15:04:05 MST", "2006-01-02",
}

// readTime reads a time in JSON: a string in one of timeLayouts, or the seconds or
// milliseconds since 1970.
func readTime(text json.RawMessage) (time.Time, error) {
	var s string
	if json.Unmarshal(text, &s) != nil {
		s = string(text)
	}
	s = strings.TrimSpace(s)
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	n, err := strconv.ParseFloat(s, 64)
	switch {
	case err != nil:
		return time.Time{}, err
	case n > 1e11: // milliseconds: as seconds the year would be 5138
		return time.UnixMilli(int64(n)), nil
	case n > 1e8:
		return time.Unix(int64(n), 0), nil
	}
	return time.Time{}, errors.New("neither a date nor a time since 1970")
}
