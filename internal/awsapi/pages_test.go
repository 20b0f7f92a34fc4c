package awsapi

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestAll(t *testing.T) {
	failed := errors.New("no")
	for name, test := range map[string]struct {
		pages int
		fails int // page that fails, 0 for none
		same  bool
		want  []int
		err   string
	}{
		"one":                     {pages: 1, want: []int{0}},
		"three":                   {pages: 3, want: []int{0, 1, 2}},
		"the second fails":        {pages: 3, fails: 2, want: []int{0}, err: "no"},
		"the same token again":    {pages: 3, same: true, want: []int{0, 1}, err: "circles"},
		"more than anybody wants": {pages: maxPages + 1, err: "no end"},
	} {
		asked := 0
		got, err := All(t.Context(), func(_ context.Context, token string) ([]int, string, error) {
			if want := strconv.Itoa(asked); asked > 0 && !test.same && token != want {
				t.Fatalf("%s: token %q, want %q", name, token, want)
			}
			page := asked
			if asked++; asked == test.fails {
				return nil, "", failed
			}
			switch {
			case test.same:
				return []int{page}, "again", nil
			case asked < test.pages:
				return []int{page}, strconv.Itoa(asked), nil
			}
			return []int{page}, "", nil
		})
		if test.want != nil && !slices.Equal(got, test.want) || (err != nil) != (test.err != "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: got %d, %v; want %d, %q", name, got, err, test.want, test.err)
		}
		if asked > maxPages {
			t.Errorf("%s: asked %d times", name, asked)
		}
	}
}

func TestTimes(t *testing.T) {
	for text, want := range map[string]time.Time{
		"1500000000":   time.Unix(1500000000, 0),
		"1.5e9":        time.Unix(1500000000, 0),
		"1500000000.5": time.Unix(1500000000, 500000000),
		"null":         {},
	} {
		var got Time
		if err := json.Unmarshal([]byte(text), &got); err != nil || !got.Equal(want) {
			t.Errorf("%s: %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{`"2026-11-30"`, "1e300", "-1e15", "{}"} {
		var got Time
		if err := json.Unmarshal([]byte(text), &got); err == nil || !got.IsZero() {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}

func FuzzTime(f *testing.F) {
	for _, seed := range []string{"0", "1500000000", "-1", "1e308", "null", `"x"`, "1.7976931348623157e308"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var got Time
		if got.UnmarshalJSON(text) == nil && got.Unix() > maxSeconds {
			t.Errorf("%q is %v", text, got)
		}
	})
}

// Whatever comes in place of an error is an error, of which no more is repeated than its
// code and its message.
func FuzzRefusal(f *testing.F) {
	f.Add(400, "AccessDeniedException:x", []byte(`{"__type":"a#B","message":"m"}`))
	f.Add(500, "", []byte(`<ErrorResponse><Error><Code>C</Code></Error></ErrorResponse>`))
	f.Add(502, "", []byte(`<html>`))
	f.Fuzz(func(t *testing.T, status int, header string, body []byte) {
		a := answer{status: status, header: map[string][]string{"X-Amzn-Errortype": {header}}, content: body}
		if refusedJSON(a) == nil || refusedXML(a) == nil {
			t.Error("no error")
		}
	})
}
