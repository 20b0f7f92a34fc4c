package kit

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// userHZ is the unit of times in /proc, the same on all of Go's Linux ports.
const userHZ = 100

// ChildOf finds the child process that runs binary, or 0.
func ChildOf(binary string) int {
	if resolved, err := filepath.EvalSymlinks(binary); err == nil {
		binary = resolved
	}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		fields, err := statFields(pid)
		if err != nil || fields[1] != strconv.Itoa(os.Getpid()) {
			continue
		}
		if exe, err := os.Readlink(filepath.Join(dir, "exe")); err == nil && exe == binary {
			return pid
		}
	}
	return 0
}

// ProcessCPU is the CPU time of a process, user and system.
func ProcessCPU(pid int) (time.Duration, error) {
	fields, err := statFields(pid)
	if err != nil {
		return 0, err
	}
	return ticks(fields[11], fields[12])
}

// EndedChildrenCPU is the CPU time of a process's children that have ended and of
// theirs, as far as it has waited for them.
func EndedChildrenCPU(pid int) (time.Duration, error) {
	fields, err := statFields(pid)
	if err != nil {
		return 0, err
	}
	return ticks(fields[13], fields[14])
}

// ticks adds two times of a stat file.
func ticks(user, system string) (time.Duration, error) {
	u, err := strconv.ParseInt(user, 10, 64)
	if err != nil {
		return 0, err
	}
	s, err := strconv.ParseInt(system, 10, 64)
	return time.Duration(u+s) * time.Second / userHZ, err
}

// statFields are those of /proc/PID/stat from the third on, the state.
//
// Source: proc_pid_stat(5).
func statFields(pid int) ([]string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 15 {
		return nil, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	return fields, nil
}

// ProcessRSS is the resident memory of a process in KiB.
func ProcessRSS(pid int) (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			return strconv.Atoi(strings.Fields(value)[0])
		}
	}
	return 0, fmt.Errorf("/proc/%d/status tells no VmRSS", pid)
}
