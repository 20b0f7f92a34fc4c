package rig

import (
	"sync"
	"time"
)

// rowWorkers run rows at once. They mostly wait, so more than -parallel has by
// default on a small machine.
const rowWorkers = 8

const (
	// ErrorLimit is within what a clear error has to come. The design promises 15 s,
	// of which pgkeyless's own limits take 14; the rest is for a busy machine.
	ErrorLimit = 25 * time.Second
	// Limit is for what only has to come: on a busy machine, too, it has come by then.
	Limit = time.Minute
	// ExactLimit is more than a transfer and any repair take on a busy machine.
	ExactLimit = 4 * time.Minute
)

// SideBySide does f with each of rows, rowWorkers at once.
func SideBySide[T any](rows []T, f func(T)) {
	next := make(chan T)
	var workers sync.WaitGroup
	for range rowWorkers {
		workers.Go(func() {
			for row := range next {
				f(row)
			}
		})
	}
	for _, row := range rows {
		next <- row
	}
	close(next)
	workers.Wait()
}
