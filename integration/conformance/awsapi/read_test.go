package awsapi

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// answer is the operation's full answer, from a file of its name in testdata.
func (c call) answer(t *testing.T) string {
	t.Helper()
	name := filepath.Join("testdata", strings.Replace(c.name, ":", "/", 1))
	files, _ := filepath.Glob(name + ".*")
	if len(files) != 1 {
		t.Fatalf("%s has the files %v, want one", name, files)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// page is one page of a list.
type page[T any] struct {
	List []T
	Next string
}

// paged is what our clients return of a list.
func paged[T any](list []T, next string, err error) (any, error) {
	return page[T]{list, next}, err
}

// pageOf is a page of the SDK's as ours.
func pageOf[T, U any](list []T, convert func(T) U, next *string) page[U] {
	return page[U]{each(list, convert), val(next)}
}

// each converts a list of the SDK's. An empty one is nil, as ours are.
func each[T, U any](list []T, convert func(T) U) []U {
	var converted []U
	for _, element := range list {
		converted = append(converted, convert(element))
	}
	return converted
}

// val is what p points to, or zero.
func val[T any](p *T) T {
	if p == nil {
		return *new(T)
	}
	return *p
}

// itself converts nothing.
func itself[T any](v T) T { return v }

// shown is a value with what its pointers point to.
func shown(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
