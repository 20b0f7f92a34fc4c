package config

import (
	"errors"
	"strings"
	"testing"
)

func TestSecretTakesAUser(t *testing.T) {
	const arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:orders/app-AbCdEf"
	for _, tt := range []struct{ query, want, err string }{
		{"secret=orders/app&user=app", "orders/app", ""},
		{"secret=" + arn + "&user=app", arn, ""},
		{"secret=rds!db-0123&user=app", "rds!db-0123", ""},
		{"secret=managed", "managed", ""},
		{"secret=managed&user=postgres", "managed", ""},
		{"secret=orders/app", "", "secret needs user"},
		{"secret=two%20words&user=app", "", "is not the name or ARN of a secret"},
		{"secret=arn:aws:s3:::bucket&user=app", "", "is not the name or ARN of a secret"},
		{"secret=" + strings.Repeat("x", 513) + "&user=app", "", "is not the name or ARN of a secret"},
	} {
		cfg, err := Load(Input{Targets: []string{orders + "?via=none&" + tt.query}})
		var wrong *Error
		if tt.err != "" {
			if !errors.As(err, &wrong) || !strings.Contains(err.Error(), tt.err) || wrong.Hint() == "" {
				t.Errorf("%s: %v, want %q with a hint", tt.query, err, tt.err)
			}
			continue
		}
		if err != nil || cfg.Targets[0].Secret != tt.want || cfg.Targets[0].Managed() != (tt.want == "managed") {
			t.Errorf("%s: %q, %v, want %q", tt.query, cfg.Targets[0].Secret, err, tt.want)
		}
	}
	if _, err := Load(Input{Targets: []string{orders}, Flags: flags("via", jump, "secret", "orders/app"), Environ: []string{"PGKEYLESS_USER=app"}}); err != nil {
		t.Errorf("a user by variable: %v", err)
	}
}

// A file that came with a directory must not have one of the user's secrets sent to a
// database of its own choice.
func TestAProjectFileNamesNoSecret(t *testing.T) {
	for value, want := range map[string]bool{SecretManaged: true, "prod/admin": false, "arn:aws:secretsmanager:eu-west-1:111122223333:secret:x-AbCdEf": false} {
		if got := mayBeFound("secret", value); got != want {
			t.Errorf("%s: %v, want %v", value, got, want)
		}
	}
}
