package cli

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestBuildDescription(t *testing.T) {
	goText := runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH + ")"
	vcs := []debug.BuildSetting{{Key: "vcs.revision", Value: "0123456789abcdef0123"}, {Key: "vcs.modified", Value: "true"}}
	for _, tt := range []struct {
		version string
		info    debug.BuildInfo
		want    string
	}{
		{"v1.2.3", debug.BuildInfo{Main: debug.Module{Version: "v0.0.0-x"}}, "pgkeyless v1.2.3 (" + goText},
		{"", debug.BuildInfo{Main: debug.Module{Version: "v1.2.4"}}, "pgkeyless v1.2.4 (" + goText},
		{"", debug.BuildInfo{Settings: vcs}, "pgkeyless (devel) (commit 0123456789ab modified, " + goText},
		{"", debug.BuildInfo{Settings: append(vcs[:1:1], debug.BuildSetting{Key: "vcs.time", Value: "2026-11-29T20:15:00Z"})}, "pgkeyless (devel) (commit 0123456789ab of 2026-11-29, " + goText},
		{"", debug.BuildInfo{Settings: vcs[:1]}, "pgkeyless (devel) (commit 0123456789ab, " + goText},
	} {
		if got := describeBuild(tt.version, &tt.info); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
