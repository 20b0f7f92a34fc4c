package database

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestEveryKindHasAName(t *testing.T) {
	seen := map[string]Kind{}
	for k := Kind(0); k <= DSQL; k++ {
		if other, ok := seen[k.String()]; ok || strings.HasPrefix(k.String(), "kind ") {
			t.Errorf("kind %d is called %q, as kind %d", k, k, other)
		}
		seen[k.String()] = k
		if text, err := json.Marshal(k); err != nil || string(text) != `"`+k.String()+`"` {
			t.Errorf("%v in JSON: %s, %v", k, text, err)
		}
	}
	if got := Kind(99).String(); got != "kind 99" {
		t.Errorf("Kind(99) = %q", got)
	}
}
