package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/running"
	"github.com/pgkeyless/pgkeyless/internal/secret"
	"github.com/pgkeyless/pgkeyless/internal/status"
)

const (
	// patience is how long a proxy may take to answer, which reads its own memory.
	patience = 10 * time.Second
	// reloadPatience is for an answer that comes after names have been looked up.
	reloadPatience = time.Minute
	// maxAnswer bounds an answer: a client takes some 500 bytes of a document.
	maxAnswer = 64 << 20
)

// Remote is a running proxy. It is safe for concurrent use.
type Remote struct {
	PID     int      // 0: not known
	Targets []string // names of what it serves, as the registry has them

	client *http.Client
	base   string // "http://host"
	key    secret.Text
}

// All are the running proxies of this user that can be asked.
func All() []*Remote {
	var all []*Remote
	for _, p := range running.Proxies() {
		if p.Admin == nil {
			continue
		}
		r := &Remote{PID: p.PID, base: "http://pgkeyless.localhost", key: secret.New(p.Admin.Secret)}
		for _, s := range p.Served {
			r.Targets = append(r.Targets, s.Name)
		}
		r.client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, p.Admin.Network, p.Admin.Address)
		}}}
		all = append(all, r)
	}
	return all
}

// At is the proxy whose admin port or HTTP address is that port of this machine.
func At(port int) *Remote {
	return &Remote{
		base:   "http://" + net.JoinHostPort("localhost", strconv.Itoa(port)),
		client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, // no proxy of the environment
	}
}

// Serves reports whether the registry says that it serves target.
func (r *Remote) Serves(target string) bool {
	for _, name := range r.Targets {
		if strings.EqualFold(name, target) {
			return true
		}
	}
	return false
}

// Status asks for the status document. One of a newer form is an error.
func (r *Remote) Status(ctx context.Context) (status.Document, error) {
	var d status.Document
	body, err := r.ask(ctx, http.MethodGet, "/status.json", patience)
	if err != nil {
		return d, err
	}
	if err := json.Unmarshal(body, &d); err != nil {
		return d, fmt.Errorf("the status of %s: %w", r, err)
	}
	if d.Version > status.Version {
		return d, causes.Misuse(fmt.Sprintf("%s is newer than this command", r), "use the same version of pgkeyless for both")
	}
	return d, nil
}

// Ready is nil while it takes clients.
func (r *Remote) Ready(ctx context.Context) error {
	_, err := r.ask(ctx, http.MethodGet, "/readiness", patience)
	return err
}

// Shutdown has it let its sessions end, and end; it returns at once.
func (r *Remote) Shutdown(ctx context.Context) error {
	_, err := r.ask(ctx, http.MethodPost, "/shutdown", patience)
	return err
}

// Reload has it read its configuration again, and returns why it did not take it.
func (r *Remote) Reload(ctx context.Context) error {
	_, err := r.ask(ctx, http.MethodPost, "/reload", reloadPatience)
	return err
}

// Disconnect ends the session with that id.
func (r *Remote) Disconnect(ctx context.Context, id uint64) error {
	_, err := r.ask(ctx, http.MethodPost, "/disconnect?"+url.Values{"id": {strconv.FormatUint(id, 10)}}.Encode(), patience)
	return err
}

// ErrNotOffered is an answer that says that the address does not offer what was
// asked for.
var ErrNotOffered = errors.New("it does not offer this")

// ask sends a request and returns the answer, or what is wrong in its words.
func (r *Remote) ask(ctx context.Context, method, path string, within time.Duration) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, r.base+path, nil)
	if err != nil {
		return nil, err
	}
	if key := r.key.Reveal(); key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	answer, err := r.client.Do(request)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err
		}
		return nil, fmt.Errorf("%s does not answer: %w", r, err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", r, err)
	case len(body) > maxAnswer:
		return nil, fmt.Errorf("%s sent more than %d bytes", r, maxAnswer)
	case answer.StatusCode < 300:
		return body, nil
	case answer.StatusCode == http.StatusNotFound && !isJSON(answer) || answer.StatusCode == http.StatusMethodNotAllowed:
		return nil, fmt.Errorf("%s: %w", r, ErrNotOffered)
	}
	return nil, r.refusal(answer, body)
}

// refusal is an answer that is an error.
func (r *Remote) refusal(answer *http.Response, body []byte) error {
	var said struct{ Error, Hint string }
	if isJSON(answer) && json.Unmarshal(body, &said) == nil && said.Error != "" {
		return causes.Misuse(said.Error, said.Hint)
	}
	return fmt.Errorf("%s: %s", r, display.Line(string(body)))
}

func isJSON(answer *http.Response) bool {
	return strings.HasPrefix(answer.Header.Get("Content-Type"), "application/json")
}

// String names it for people.
func (r *Remote) String() string {
	if r.PID != 0 {
		return fmt.Sprintf("pgkeyless (pid %d)", r.PID)
	}
	return "pgkeyless at " + strings.TrimPrefix(r.base, "http://")
}
