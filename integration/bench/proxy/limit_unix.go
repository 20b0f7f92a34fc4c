//go:build unix

package main

import "syscall"

// openFiles makes room for n open files in this process and those that it
// starts, and returns how many there is room for.
func openFiles(n int) int {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	want := limit
	want.Cur, want.Max = max(limit.Max, uint64(n)), max(limit.Max, uint64(n))
	if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &want) == nil { // root's right
		return int(want.Cur)
	}
	limit.Cur = limit.Max
	_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	return int(limit.Cur)
}
