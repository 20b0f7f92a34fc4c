package serving

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/access"
	"github.com/pgkeyless/pgkeyless/internal/admin"
	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/running"
	"github.com/pgkeyless/pgkeyless/internal/targets"
	"github.com/pgkeyless/pgkeyless/proxy"
)

// reloading is a run whose configuration can be read again. It is safe for
// concurrent use.
type reloading struct {
	stderr io.Writer
	input  config.Input
	run    config.Run       // as the process began
	said   []config.Setting // where run came from
	wiring *targets.Wiring
	may    *access.Grants
	srv    *proxy.Server
	ca     string // the file by which clients verify what srv shows them
	log    *slog.Logger

	enrolled  *running.Enrolment
	passwords *localPassword
	admin     *admin.Admin
	audit     auditing
	sup       *supervised

	turn  sync.Mutex // one reload at a time
	mu    sync.Mutex
	front front // what is served now
}

// reload reads the configuration again and serves what it says: new clients get
// the new settings, sessions go on as they began. With an error all stays as it
// is, and the log tells why.
func (r *reloading) reload(ctx context.Context) error {
	r.turn.Lock()
	defer r.turn.Unlock()
	r.sup.reloading()
	defer r.sup.ready()
	r.audit.reopen(r.log)
	if r.run.ConfigFile == "" { // only the audit log or the local password wanted it
		return r.rewrite(r.served())
	}
	cfg, err := config.Load(r.input)
	if err == nil && cfg.Run.ConfigFile != r.run.ConfigFile {
		err = causes.Misuse(fmt.Sprintf("the config file %s is gone", r.run.ConfigFile), "put it back, or start again")
	}
	var next front
	if err == nil {
		next, err = r.exchange(ctx, cfg)
	}
	r.admin.Reloaded(err, time.Now())
	if err != nil {
		r.log.Error("configuration not reloaded, keeping the old one", "error", display.Line(err.Error()), "hint", display.Line(causes.Hint(err)))
		return err
	}
	before := r.served()
	r.serves(next)
	_ = r.rewrite(next) // which logs its error: the configuration is in use
	r.enrol()
	warn(r.log, r.run, next, cfg.Users)
	if !before.without6 {
		tellWithout6(r.log, next)
	}
	tell(ctx, r.stderr, r.log, r.run, without(listening(next), listening(before)))
	if processOptions(cfg.Run) != processOptions(r.run) {
		r.log.Warn("options of the process have changed; they take effect at the next start", "options", otherValues(r.said, cfg.RunSettings))
	}
	r.log.Info("configuration reloaded", "path", cfg.Run.ConfigFile, "targets", len(next.targets),
		"added", without(names(next), names(before)), "removed", without(names(before), names(next)))
	return nil
}

// rewrite puts lines for f into the password file, by the password that it has now: the
// user may have taken out the old one.
func (r *reloading) rewrite(f front) error {
	err := r.passwords.serve(f)
	if err != nil {
		r.log.Error("clients may not find the local password", "error", display.Line(err.Error()), "hint", display.Line(causes.Hint(err)))
	}
	return err
}

// serves notes what is served from now on.
func (r *reloading) serves(f front) {
	r.mu.Lock()
	r.front = f
	r.mu.Unlock()
	r.admin.Serving(r.srv, described(f), warnings(r.run, f))
}

// served is what is served now. It may be asked from any goroutine.
func (r *reloading) served() front {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.front
}

// begin says what is served at first, and by what.
func (r *reloading) begin(srv *proxy.Server, ca string, sup *supervised, f front) {
	r.turn.Lock()
	defer r.turn.Unlock()
	r.srv, r.ca, r.sup = srv, ca, sup
	r.serves(f)
}

// onRequest is reload for who asks for it by name.
func (r *reloading) onRequest(ctx context.Context) error {
	if r.run.ConfigFile == "" && r.run.AuditLog == "" && r.passwords == nil {
		return causes.Misuse("this proxy runs without a config file, so there is nothing to reload", "put its targets into a pgkeyless.yaml, and start it again")
	}
	r.turn.Lock()
	started := r.srv != nil
	r.turn.Unlock()
	if !started {
		return causes.Misuse("this proxy is starting", "wait until it is ready: `pgkeyless wait`")
	}
	return r.reload(context.WithoutCancel(ctx)) // who asked may leave
}

// enrol tells others of the user's what is served now.
func (r *reloading) enrol() {
	enrol(r.enrolled, r.served(), way{r.ca, r.passwords.file(), r.run.Auth != config.AuthNone && r.passwords == nil}, r.input.Environ, r.log)
}

// exchange makes the Server serve cfg. With an error, what is served has its passwords
// still.
func (r *reloading) exchange(ctx context.Context, cfg config.Config) (next front, err error) {
	r.wiring.ForgetRoots() // their files may have changed
	forget, keep := r.wiring.SetSecretsAside()
	defer func() {
		if err != nil {
			keep()
		} else {
			forget()
		}
	}()
	p := portsOf(r.served())
	now := cfg
	now.Run = r.run // what the file says of the process takes effect at the next start
	now.Run.SharedPort, now.Run.DefaultTarget = cfg.Run.SharedPort, cfg.Run.DefaultTarget
	if err := now.CheckUsers(); err != nil {
		return front{}, err
	}
	next, err = openFront(ctx, r.wiring, now, p, r.log)
	if err != nil {
		return front{}, err
	}
	undo := r.may.Replace(entries(now.Users)) // before its targets can be reached
	if err := r.srv.Replace(next.routes, next.shared, defaultRoute(now.Run, next.routes)); err != nil {
		undo()
		p.close()
		return front{}, err
	}
	return next, nil
}

// processOptions are what a reload leaves alone.
func processOptions(run config.Run) config.Run {
	run.SharedPort, run.DefaultTarget = false, ""
	return run
}

// otherValues are the options of the process, but for those that a reload takes,
// whose values differ.
func otherValues(before, now []config.Setting) []string {
	var names []string
	for i, s := range now { // both are in the order of config.All
		if s.Value != before[i].Value && s.Name != "shared-port" && s.Name != "default-target" {
			names = append(names, s.Name)
		}
	}
	return names
}

func names(f front) []string {
	all := make([]string, len(f.targets))
	for i, t := range f.targets {
		all[i] = t.Name
	}
	return all
}

// without are those of list that are not in others.
func without[T comparable](list, others []T) []T {
	return slices.DeleteFunc(slices.Clone(list), func(v T) bool { return slices.Contains(others, v) })
}
