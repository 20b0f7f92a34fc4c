package awsemu

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// SSO is one IAM Identity Center, with one person, one account and one role.
type SSO struct {
	StartURL  string
	RoleName  string        // in Config.Account
	AccessKey string        // of the Caller that the role's credentials are
	Life      time.Duration // of an access token; default 8 h
	Refresh   bool          // whether tokens can be refreshed
}

// ssoState is what an Identity Center remembers.
type ssoState struct {
	clients map[string]string // secret by id
	logins  map[string]*ssoLogin
	tokens  map[string]time.Time // end of access tokens
	refresh map[string]bool
	begun   int // device authorizations so far
}

// ssoLogin is a device authorization, by its device code.
type ssoLogin struct {
	userCode        string
	allowed, denied bool
}

func newSSOState() ssoState {
	return ssoState{clients: map[string]string{}, logins: map[string]*ssoLogin{}, tokens: map[string]time.Time{}, refresh: map[string]bool{}}
}

// devicePath is the page on which a person allows a login: to open it does.
const devicePath = "/device"

// serveSSO serves the OIDC and the portal API of Identity Center (REST-JSON), and
// the page; false when the path is none of theirs.
func (e *Emulator) serveSSO(w http.ResponseWriter, r *http.Request, body []byte) bool {
	run, ok := map[string]func(*http.Request, map[string]any) (any, *apiError){
		"POST /client/register":       e.registerClient,
		"POST /device_authorization":  e.startDevice,
		"POST /token":                 e.createToken,
		"GET /federation/credentials": e.roleCredentials,
		"GET " + devicePath:           e.allowDevice,
	}[r.Method+" "+r.URL.Path]
	if !ok || e.cfg.SSO == nil {
		return false
	}
	in := map[string]any{}
	if len(body) > 0 {
		_ = json.Unmarshal(body, &in) // what is missing is refused by the operation
	}
	answer, err := run(r, in)
	e.cfg.Log.Debug("SSO call", "path", r.URL.Path, "error", codeOf(err))
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.Header().Set("X-Amzn-ErrorType", err.code)
		w.WriteHeader(err.status)
		answer = map[string]string{"error": err.code, "error_description": err.message, "message": err.message}
	}
	_ = json.NewEncoder(w).Encode(answer)
	return true
}

func text(in map[string]any, name string) string {
	s, _ := in[name].(string)
	return s
}

func (e *Emulator) registerClient(_ *http.Request, in map[string]any) (any, *apiError) {
	if text(in, "clientName") == "" || text(in, "clientType") != "public" {
		return nil, failed("InvalidClientMetadataException", "clientName and the clientType public are required")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	id, secret := rand.Text(), rand.Text()
	e.sso.clients[id] = secret
	return map[string]any{"clientId": id, "clientSecret": secret,
		"clientIdIssuedAt": e.now().Unix(), "clientSecretExpiresAt": e.now().Add(90 * 24 * time.Hour).Unix()}, nil
}

// ssoClient checks id and secret. e.mu is held.
func (e *Emulator) ssoClient(in map[string]any) *apiError {
	if secret, ok := e.sso.clients[text(in, "clientId")]; !ok || secret != text(in, "clientSecret") {
		return failed("InvalidClientException", "the client is not registered")
	}
	return nil
}

func (e *Emulator) startDevice(_ *http.Request, in map[string]any) (any, *apiError) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.ssoClient(in); err != nil {
		return nil, err
	}
	if text(in, "startUrl") != e.cfg.SSO.StartURL {
		return nil, failed("InvalidRequestException", "no such start URL")
	}
	e.sso.begun++
	device, user := rand.Text(), rand.Text()
	user = user[:4] + "-" + user[4:8]
	e.sso.logins[device] = &ssoLogin{userCode: user}
	page := e.URL() + devicePath
	return map[string]any{"deviceCode": device, "userCode": user, "verificationUri": page,
		"verificationUriComplete": page + "?user_code=" + user, "expiresIn": 600, "interval": 1}, nil
}

func (e *Emulator) createToken(_ *http.Request, in map[string]any) (any, *apiError) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.ssoClient(in); err != nil {
		return nil, err
	}
	switch grant := text(in, "grantType"); {
	case grant == "refresh_token":
		if !e.sso.refresh[text(in, "refreshToken")] {
			return nil, failed("InvalidGrantException", "the refresh token is not valid")
		}
		delete(e.sso.refresh, text(in, "refreshToken"))
	case strings.HasSuffix(grant, ":device_code"):
		login := e.sso.logins[text(in, "deviceCode")]
		switch {
		case login == nil:
			return nil, failed("InvalidGrantException", "no such device code")
		case login.denied:
			return nil, failed("AccessDeniedException", "the person has denied access")
		case !login.allowed:
			return nil, failed("AuthorizationPendingException", "the person has not decided yet")
		}
		delete(e.sso.logins, text(in, "deviceCode"))
	default:
		return nil, failed("UnsupportedGrantTypeException", "no such grant type")
	}
	life := e.cfg.SSO.Life
	if life == 0 {
		life = 8 * time.Hour
	}
	token := rand.Text()
	e.sso.tokens[token] = e.now().Add(life)
	out := map[string]any{"accessToken": token, "tokenType": "Bearer", "expiresIn": int(life.Seconds())}
	if e.cfg.SSO.Refresh {
		refresh := rand.Text()
		e.sso.refresh[refresh] = true
		out["refreshToken"] = refresh
	}
	return out, nil
}

func (e *Emulator) roleCredentials(r *http.Request, _ map[string]any) (any, *apiError) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if end, ok := e.sso.tokens[r.Header.Get("X-Amz-Sso_bearer_token")]; !ok || !end.After(e.now()) {
		return nil, &apiError{"UnauthorizedException", "Session token not found or invalid", http.StatusUnauthorized}
	}
	if q := r.URL.Query(); q.Get("account_id") != e.cfg.Account || q.Get("role_name") != e.cfg.SSO.RoleName {
		return nil, &apiError{"ForbiddenException", "No access", http.StatusForbidden}
	}
	own := e.cfg.Callers[e.cfg.SSO.AccessKey]
	return map[string]any{"roleCredentials": map[string]any{
		"accessKeyId": e.cfg.SSO.AccessKey, "secretAccessKey": own.SecretAccessKey, "sessionToken": own.SessionToken,
		"expiration": e.now().Add(time.Hour).UnixMilli(),
	}}, nil
}

func (e *Emulator) allowDevice(r *http.Request, _ map[string]any) (any, *apiError) {
	if !e.decideSSO(r.URL.Query().Get("user_code"), true) {
		return nil, failed("InvalidRequestException", "no login has this code")
	}
	return "you may close this page", nil
}

// DenySSO denies the login with a user code; false if there is none.
func (e *Emulator) DenySSO(userCode string) bool { return e.decideSSO(userCode, false) }

func (e *Emulator) decideSSO(userCode string, allow bool) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, login := range e.sso.logins {
		if login.userCode == userCode {
			login.allowed, login.denied = allow, !allow
			return true
		}
	}
	return false
}

// SSOLogins is how many logins in a browser were begun.
func (e *Emulator) SSOLogins() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.sso.begun
}

// EndSSO ends all access and refresh tokens, as an administrator can.
func (e *Emulator) EndSSO() {
	e.mu.Lock()
	defer e.mu.Unlock()
	clear(e.sso.tokens)
	clear(e.sso.refresh)
}
