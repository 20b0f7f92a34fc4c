package credentials

import (
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/ownfile"
	"github.com/pgkeyless/pgkeyless/internal/secret"
)

// ssoLoginToken is the cache file. Whoever reads it can act as the person.
//
// Source: aws-cli, botocore utils.py (SSOTokenFetcher, SSOTokenLoader); the SDK's
// credentials/ssocreds/sso_cached_token.go.
type ssoLoginToken struct {
	StartURL              string    `json:"startUrl"`
	Region                string    `json:"region"`
	AccessToken           string    `json:"accessToken"`
	ExpiresAt             time.Time `json:"expiresAt"`
	ClientID              string    `json:"clientId,omitempty"`
	ClientSecret          string    `json:"clientSecret,omitempty"`
	RegistrationExpiresAt time.Time `json:"registrationExpiresAt,omitzero"`
	RefreshToken          string    `json:"refreshToken,omitempty"`

	more map[string]json.RawMessage // members of others, which are kept
}

// String, GoString and LogValue keep tokens out of logs; its JSON is for the cache
// file, and has them.
func (ssoLoginToken) String() string       { return secret.Text{}.String() }
func (ssoLoginToken) GoString() string     { return secret.Text{}.GoString() }
func (ssoLoginToken) LogValue() slog.Value { return secret.Text{}.LogValue() }

func loadSSOToken(path string) (ssoLoginToken, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return ssoLoginToken{}, err
	}
	var token ssoLoginToken
	if err := json.Unmarshal(text, &token.more); err != nil {
		return ssoLoginToken{}, errors.New(path + " is not JSON")
	}
	for name, to := range map[string]*string{
		"startUrl": &token.StartURL, "region": &token.Region, "accessToken": &token.AccessToken,
		"clientId": &token.ClientID, "clientSecret": &token.ClientSecret, "refreshToken": &token.RefreshToken,
	} {
		_ = json.Unmarshal(token.more[name], to) // what is no string is missing
		delete(token.more, name)
	}
	var ends string
	_ = json.Unmarshal(token.more["expiresAt"], &ends)
	delete(token.more, "expiresAt")
	// Old versions of the AWS CLI wrote "UTC" for "Z".
	token.ExpiresAt, err = time.Parse(time.RFC3339, strings.Replace(ends, "UTC", "Z", 1))
	if err != nil || token.AccessToken == "" {
		return ssoLoginToken{}, errors.New(path + " has no accessToken or no expiresAt")
	}
	return token, nil
}

// writeSSOToken writes the cache file, whole or not at all, readable by its owner
// alone.
func writeSSOToken(path string, token ssoLoginToken) error {
	known, err := json.Marshal(token)
	if err != nil {
		return errors.New("the token does not encode")
	}
	all := map[string]json.RawMessage{}
	for name, value := range token.more {
		all[name] = value
	}
	if err := json.Unmarshal(known, &all); err != nil {
		return errors.New("the token does not encode")
	}
	text, err := json.Marshal(all)
	if err != nil {
		return errors.New("the token does not encode")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return ownfile.Replace(path, text, 0o600)
}
