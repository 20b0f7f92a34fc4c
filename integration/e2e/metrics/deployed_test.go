package metrics

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// checkDeployed has the files in deploy tried on the running Prometheus, which has
// seen a load.
func (s *scene) checkDeployed() {
	t, p := s.T, s.prometheus
	t.Helper()
	body, err := get(s.metrics)
	if err != nil {
		t.Fatal(err)
	}
	promtool(t, bytes.NewReader(body), "check", "metrics")
	rig.CheckOutput(t, string(body))
	for _, said := range []string{marker, pgserver.AppUser, "psql"} {
		if bytes.Contains(body, []byte(said)) {
			t.Errorf("%q, which clients have said, is in the metrics:\n%s", said, body)
		}
	}

	var names []string
	p.await("the names of the metrics", func() error { return p.api("label/__name__/values", nil, &names) })
	board := readDashboard(t)
	rules, err := os.ReadFile(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	used := metricsIn(strings.Join(append(board.exprs(), string(rules)), "\n"))
	if len(used) < 20 {
		t.Errorf("only %q are used", used)
	}
	for _, name := range used {
		if !slices.Contains(names, name) {
			t.Errorf("dashboard or rules use %s, which no scrape has", name)
		}
	}
	for _, expr := range board.exprs() {
		p.await("the dashboard shows something for "+expr, func() error { // unless the latest scrape was late
			got, err := p.query(expr)
			if err == nil && len(got) == 0 && !strings.HasPrefix(expr, "changes(") { // nothing was reloaded
				err = errors.New("nothing is there")
			}
			return err
		})
	}
	p.checkRules()
}

// checkRules wants every rule to have been evaluated without an error, to say what to
// do and to be documented, and the one alert that is due.
func (p *prometheus) checkRules() {
	p.t.Helper()
	var data struct {
		Groups []struct {
			Rules []struct {
				Name, Health, LastError string
				Labels, Annotations     map[string]string
			}
		}
	}
	p.await("the rules have been evaluated", func() error {
		data.Groups = nil
		if err := p.api("rules", nil, &data); err != nil {
			return err
		}
		for _, group := range data.Groups {
			for _, r := range group.Rules {
				if r.Health == "unknown" {
					return fmt.Errorf("rule %s has not been", r.Name)
				}
			}
		}
		return nil
	})
	page, err := os.ReadFile(metricsPage)
	if err != nil {
		p.t.Fatal(err)
	}
	rules := 0
	for _, group := range data.Groups {
		for _, r := range group.Rules {
			rules++
			if r.Health != "ok" {
				p.t.Errorf("rule %s is %s: %s", r.Name, r.Health, r.LastError)
			}
			if row := "| `" + r.Name + "` | " + r.Labels["severity"] + " |"; !bytes.Contains(page, []byte(row)) {
				p.t.Errorf("%s has no row %q", metricsPage, row)
			}
			for _, part := range []string{"summary", "description", "action"} {
				if r.Annotations[part] == "" {
					p.t.Errorf("rule %s has no %s", r.Name, part)
				}
			}
		}
	}
	if rules < 8 {
		p.t.Errorf("%d rules, want 8", rules)
	}
	p.awaitAll("the alert of failing logins", []expect{
		{`count(ALERTS{alertname="PgkeylessLoginsFailing",target="ghost"})`, exactly(1)},
		{`count(ALERTS{target="billing"}) or vector(0)`, exactly(0)},
	})
}

// metricName finds what rules and dashboard take from a scrape.
var metricName = regexp.MustCompile(`\b(?:pgkeyless|go|process)_[a-z_]+\b|\bup\b`)

func metricsIn(text string) []string {
	found := metricName.FindAllString(text, -1)
	slices.Sort(found)
	return slices.Compact(found)
}

// dashboard is as much of Grafana's format as there is to check.
type dashboard struct {
	Panels []struct {
		ID                       int
		Type, Title, Description string
		GridPos                  struct{ X, Y, W, H int }
		Targets                  []struct{ Expr string }
	}
	Annotations struct{ List []struct{ Expr string } }
	Templating  struct {
		List []struct{ Name, Type, Definition string }
	}
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	text, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// exprs are the queries of all panels, with a value for each of Grafana's variables.
func (d dashboard) exprs() []string {
	values := strings.NewReplacer("$job", "pgkeyless", "$instance", ".*", "$target", ".*", "$__rate_interval", "5m")
	var all []string
	for _, a := range d.Annotations.List {
		if a.Expr != "" {
			all = append(all, values.Replace(a.Expr))
		}
	}
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			all = append(all, values.Replace(q.Expr))
		}
	}
	return all
}

func TestDashboard(t *testing.T) {
	d := readDashboard(t)
	for i, p := range d.Panels {
		if p.Type != "row" && (p.Title == "" || len(p.Targets) == 0) {
			t.Errorf("panel %d (%s) lacks title or query", p.ID, p.Title)
		}
		at := p.GridPos
		if at.W < 1 || at.H < 1 || at.X < 0 || at.X+at.W > 24 {
			t.Errorf("panel %q is at %+v, outside of 24 columns", p.Title, at)
		}
		for _, other := range d.Panels[:i] {
			o := other.GridPos
			if at.X < o.X+o.W && o.X < at.X+at.W && at.Y < o.Y+o.H && o.Y < at.Y+at.H {
				t.Errorf("panels %q and %q overlap", p.Title, other.Title)
			}
			if p.ID == other.ID {
				t.Errorf("panels %q and %q have one id", p.Title, other.Title)
			}
		}
	}
	for _, expr := range d.exprs() {
		if strings.Contains(expr, "$") {
			t.Errorf("%s has a variable that the dashboard does not declare", expr)
		}
	}
	for _, v := range d.Templating.List {
		if v.Type == "query" && len(metricsIn(v.Definition)) != 1 {
			t.Errorf("variable %s asks %q", v.Name, v.Definition)
		}
	}
}
