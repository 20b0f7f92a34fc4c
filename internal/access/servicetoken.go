package access

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/serviceaccount"
)

// noToken is why something else than a service account's token is refused.
const noToken = "it is not a service-account token"

// claims is what a service-account token says of itself. Nothing of it counts before
// somebody has verified the signature.
type claims struct {
	key       string // id of the key that has signed it, or empty
	subject   string
	audiences []string
	expires   time.Time // zero: never
}

// parseClaims reads a JWT in its compact form without verifying it. It does not keep the
// token.
//
// Source: RFC 7519, sections 4.1 and 7.2; RFC 7515, section 7.1.
func parseClaims(token string) (claims, bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return claims{}, false
	}
	var head struct {
		Key string `json:"kid"`
	}
	var body struct {
		Subject   string          `json:"sub"`
		Audiences json.RawMessage `json:"aud"`
		Expires   *float64        `json:"exp"`
	}
	if !decodePart(parts[0], &head) || !decodePart(parts[1], &body) || parts[2] == "" {
		return claims{}, false
	}
	c := claims{key: head.Key, subject: body.Subject}
	var one string
	switch {
	case len(body.Audiences) == 0:
	case json.Unmarshal(body.Audiences, &one) == nil:
		c.audiences = []string{one}
	case json.Unmarshal(body.Audiences, &c.audiences) != nil:
		return claims{}, false
	}
	if body.Expires != nil {
		if *body.Expires < 1 || *body.Expires > maxExpiry {
			return claims{}, false
		}
		c.expires = time.Unix(int64(*body.Expires), 0)
	}
	return c, true
}

// maxExpiry is the end of the year 9999, the last that RFC 3339 can write.
const maxExpiry = 253402300799

func decodePart(part string, into any) bool {
	raw, err := base64.RawURLEncoding.DecodeString(part)
	return err == nil && json.Unmarshal(raw, into) == nil
}

// unfit says in a few words why a token that says this cannot count at now, whoever has
// signed it; "" where nothing is wrong with what it says.
func (c claims) unfit(audience string, now time.Time) string {
	if _, ok := serviceaccount.OfUser(c.subject); !ok {
		return noToken
	}
	if !slices.Contains(c.audiences, audience) {
		if len(c.audiences) == 0 {
			return fmt.Sprintf("it names no audience, not %q", audience)
		}
		quoted := make([]string, len(c.audiences))
		for i, a := range c.audiences {
			quoted[i] = strconv.Quote(a)
		}
		return fmt.Sprintf("its audience is %s, not %q", display.Line(display.Few(quoted, 3)), audience)
	}
	if !c.expires.IsZero() && now.After(c.expires) {
		return "it expired at " + c.expires.UTC().Format(time.RFC3339)
	}
	return ""
}
