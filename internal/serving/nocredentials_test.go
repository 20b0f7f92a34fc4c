package serving

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/internal/config"
)

// wallets have credentials for some profiles.
type wallets map[string]error

func (w wallets) Missing(_ context.Context, profile string) error { return w[profile] }

func TestMissingCredentialsAreToldOnce(t *testing.T) {
	var out bytes.Buffer
	target := func(profile string) (t config.Target) {
		t.Profile = profile
		return t
	}
	warnOfMissing(t.Context(), slog.New(slog.NewTextHandler(&out, nil)), []config.Target{target("dev"), target("prod"), target("dev")},
		wallets{"dev": errors.New("no keys for dev")})
	if strings.Count(out.String(), "logins will fail: no keys for dev") != 1 || strings.Contains(out.String(), "prod") {
		t.Errorf("logged %s", out.String())
	}
}
