package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/pgkeyless/pgkeyless/integration/rig/lab"
)

// usageOf looks into /proc, at the child of ours that is called pgkeyless.
func usageOf(*lab.Proxy) (u usage) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		text, err := os.ReadFile(filepath.Join(dir, "status"))
		if err != nil || !strings.Contains(string(text), fmt.Sprintf("\nPPid:\t%d\n", os.Getpid())) ||
			!strings.HasPrefix(string(text), "Name:\tpgkeyless\n") {
			continue
		}
		for line := range strings.Lines(string(text)) {
			name, value, _ := strings.Cut(line, ":")
			n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			switch name {
			case "VmRSS":
				u.rss = n << 10
			case "Threads":
				u.threads = int(n)
			}
		}
		files, _ := os.ReadDir(filepath.Join(dir, "fd"))
		u.openFiles = len(files)
	}
	return u
}
