package config

import (
	"regexp"
	"sync"
)

// lazily is a pattern that is compiled when it is first used. Counted repeats make
// programs of thousands of steps, which every start would pay for.
func lazily(pattern string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
}
