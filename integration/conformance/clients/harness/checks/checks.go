// Package checks is what the programs of Go clients share: they call Main with
// their checks. integration/conformance/clients/doc.go says what is printed.
package checks

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
)

// What the checks send and expect.
const (
	Rows, Width = 50_000, 1_000 // 50 MB
	Large       = "select repeat(chr(97 + g % 26), 1000) from generate_series(1, 50000) g"
	Text        = `O'Reilly \ "quoted" – Übergröße 東京 🐘`
	Sleep       = "select pg_sleep(60)"
	Sleeps      = "select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'"
	Notice      = "do $$ begin raise notice 'look here'; end $$"
	Copied      = 20_000 // rows
)

// Bytes has every byte value four times.
var Bytes = func() []byte {
	b := make([]byte, 1024)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}()

// NotAvailable is returned where the client's API cannot do it, and says why.
type NotAvailable string

func (n NotAvailable) Error() string { return string(n) }

// Check is a named one.
type Check struct {
	Name string
	Run  func() error
}

// Main runs the checks and prints a line for each.
func Main(version string, all []Check) {
	fmt.Println("version", strings.TrimPrefix(version, "v"))
	only := strings.Fields(os.Getenv("CHECKS"))
	for _, c := range all {
		if len(only) > 0 && !slices.Contains(only, c.Name) {
			continue
		}
		err := c.Run()
		var n NotAvailable
		switch {
		case err == nil:
			fmt.Println("ok", c.Name)
		case errors.As(err, &n):
			fmt.Printf("n/a %s: %s\n", c.Name, n)
		default:
			fmt.Fprintf(os.Stderr, "%s: %v\n", c.Name, err)
			fmt.Printf("fail %s: %s\n", c.Name, strings.Join(strings.Fields(err.Error()), " "))
		}
	}
}

// Equal compares deeply.
func Equal(got, want any) error {
	if !reflect.DeepEqual(got, want) {
		return fmt.Errorf("got %.200v, want %.200v", got, want)
	}
	return nil
}

// Fails wants err to have the SQLSTATE; an empty one stands for any error.
func Fails(err error, state string) error {
	var coded interface{ SQLState() string }
	switch {
	case err == nil:
		return errors.New("it did not fail")
	case state != "" && (!errors.As(err, &coded) || coded.SQLState() != state):
		return fmt.Errorf("want SQLSTATE %s: %w", state, err)
	}
	return nil
}

// LargeRow looks at the row'th value of Large, from 1.
func LargeRow(row int, value string) error {
	if want := strings.Repeat(string(rune('a'+row%26)), Width); value != want {
		return fmt.Errorf("row %d is %.40q", row, value)
	}
	return nil
}

// Lines are the numbers from first to last, a line each.
func Lines(first, last int) string {
	var b strings.Builder
	for i := first; i <= last; i++ {
		fmt.Fprintln(&b, i)
	}
	return b.String()
}

// Until waits for condition, 30 s at most.
func Until(what string, condition func() (bool, error)) error {
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if done, err := condition(); done || err != nil {
			return err
		}
	}
	return fmt.Errorf("waited in vain for %s", what)
}

// AtOnce calls run ten times at once.
func AtOnce(run func(i int) error) error {
	var all sync.WaitGroup
	errs := make([]error, 10)
	for i := range errs {
		all.Go(func() { errs[i] = run(i) })
	}
	all.Wait()
	return errors.Join(errs...)
}
