package serving

import (
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/integration/rig"
)

// A start without any credentials says so, before a client finds out.
func TestStartWithoutCredentialsWarns(t *testing.T) {
	w := rig.Start(t, rig.Setup{Env: rig.Without("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")})
	line := w.AwaitLine("logins will fail: no usable AWS credentials")
	if !strings.Contains(line, "hint=") || !strings.Contains(line, "the environment (AWS_ACCESS_KEY_ID)") {
		t.Errorf("%q", line)
	}
}
