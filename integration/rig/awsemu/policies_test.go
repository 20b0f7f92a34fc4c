package awsemu

import (
	"encoding/json"
	"testing"
)

func TestPolicyEvaluation(t *testing.T) {
	const text = `{"Statement": [
		{"Effect": "Allow", "Action": "a:Do*", "Resource": ["arn:x/${aws:username}-*", "arn:y/${*}"]},
		{"Effect": "Allow", "Action": ["b:Do"], "Resource": "*", "Condition": {"StringLike": {"tag": "${aws:userid}"}, "BoolIfExists": {"checked": "true"}}},
		{"Effect": "Allow", "Action": "c:Do", "Resource": "*", "Condition": {"Unheard": {"tag": "x"}}},
		{"Effect": "Deny", "Action": "d:Do", "Resource": "*"}]}`
	var p iamPolicy
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		t.Fatal(err)
	}
	user, role := iamContext{"aws:username": "a.a", "aws:userid": "AIDA"}, iamContext{"aws:userid": "AROA:ada"}
	for _, tt := range []struct {
		action, resource string
		keys             iamContext
		want             bool
	}{
		{"a:DoIt", "arn:x/a.a-1", user, true},
		{"a:DoIt", "arn:x/aXa-1", user, false},
		{"a:DoIt", "arn:x/a.a-1", role, false},
		{"a:DoIt", "arn:x/-1", role, false},
		{"b:DoIt", "arn:x/a.a-1", user, false},
		{"a:Do", "arn:y/*", user, true},
		{"a:Do", "arn:y/z", user, false},
		{"b:Do", "any", iamContext{"aws:userid": "AROA:ada", "tag": "AROA:ada"}, true},
		{"b:Do", "any", iamContext{"aws:userid": "AROA:ada", "tag": "AROA:bob"}, false},
		{"b:Do", "any", iamContext{"aws:userid": "AROA:ada", "tag": "AROA:ada", "checked": "false"}, false},
		{"b:Do", "any", role, false},
		{"c:Do", "any", iamContext{"tag": "x"}, false},
		{"d:Do", "any", user, false},
	} {
		if got := p.allows(tt.action, tt.resource, tt.keys); got != tt.want {
			t.Errorf("%s on %s with %v: %v, want %v", tt.action, tt.resource, tt.keys, got, tt.want)
		}
	}
}
