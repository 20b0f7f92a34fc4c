package serving

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/rig"
)

// A start without any credentials says so, before a client finds out.
func TestStartWithoutCredentialsWarns(t *testing.T) {
	w := rig.Start(t, rig.Setup{Env: rig.Without("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	line, err := w.Proxy.AwaitLine(ctx, "logins will fail: no usable AWS credentials")
	if err != nil || !strings.Contains(line, "hint=") || !strings.Contains(line, "the environment (AWS_ACCESS_KEY_ID)") {
		t.Errorf("%q, %v", line, err)
	}
}
