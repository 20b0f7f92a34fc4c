package rig

import (
	"sync"
	"time"
)

// rowWorkers run rows at once. They mostly wait, so more than -parallel has by
// default on a small machine.
const rowWorkers = 8

const (
	// ErrorLimit is the promise of the design: no byte lost or changed, or a
	// clear error within so long.
	ErrorLimit = 15 * time.Second
	// ExactLimit is more than any repair takes.
	ExactLimit = 90 * time.Second
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
