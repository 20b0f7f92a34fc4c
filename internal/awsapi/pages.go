package awsapi

import (
	"context"
	"errors"
	"fmt"
	"iter"
)

// maxPages bounds a list. A page has 50 managed nodes, or 100 databases.
const maxPages = 5000

// Pages yields the parts of a list, each as ask returns it for the token of the part
// before: "" for the first, and from the last. An error ends it.
func Pages[T any](ctx context.Context, ask func(ctx context.Context, token string) (page []T, next string, err error)) iter.Seq2[[]T, error] {
	return func(yield func([]T, error) bool) {
		token := ""
		for range maxPages {
			page, next, err := ask(ctx, token)
			if !yield(page, err) || err != nil || next == "" {
				return
			}
			if next == token {
				yield(nil, errors.New("the list goes round in circles: the same part follows itself"))
				return
			}
			token = next
		}
		yield(nil, fmt.Errorf("the list has no end within %d answers", maxPages))
	}
}

// All is the whole of a list. What came before an error is returned with it.
func All[T any](ctx context.Context, ask func(ctx context.Context, token string) (page []T, next string, err error)) ([]T, error) {
	var all []T
	for page, err := range Pages(ctx, ask) {
		all = append(all, page...)
		if err != nil {
			return all, err
		}
	}
	return all, nil
}
