package metrics

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/rig"
)

// The files that users take from deploy, and what they read about them.
const (
	rulesFile     = "../../../deploy/prometheus/rules.yaml"
	rulesTests    = "rules_test.yaml" // beside them
	dashboardFile = "../../../deploy/grafana/pgkeyless.json"
	metricsPage   = "../../../docs/metrics.md"
)

// scrapeEvery is short, so that the test is. A scrape may not take longer: where the machine
// has much other work, one may fail.
const scrapeEvery = 3 * time.Second

// portTries are for ports that somebody else was faster to take.
const portTries = 5

// prometheus is a running one.
type prometheus struct {
	t    *testing.T
	base string // of its API
}

// startPrometheus runs Debian's Prometheus with our rules on target, "host:port". The
// test's end ends it.
func startPrometheus(t *testing.T, target string) *prometheus {
	t.Helper()
	rules, err := filepath.Abs(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config := fmt.Sprintf("global: {scrape_interval: %v, evaluation_interval: %v}\nrule_files: [%q]\n"+
		"scrape_configs:\n- {job_name: pgkeyless, static_configs: [{targets: [%q]}]}\n", scrapeEvery, scrapeEvery, rules, target)
	path := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(path, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	for try := 1; ; try++ {
		p, said := runPrometheus(t, dir, path)
		if p != nil {
			return p
		}
		if try == portTries || !strings.Contains(said, "address already in use") {
			t.Fatalf("prometheus has ended:\n%s", said)
		}
	}
}

// runPrometheus runs it in dir at a port that was free a moment ago, and waits until it is
// ready. nil: it has ended, and said why.
func runPrometheus(t *testing.T, dir, config string) (p *prometheus, said string) {
	t.Helper()
	address := "127.0.0.1:" + rig.FreePort(t)
	cmd := exec.Command("prometheus", "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)
	printed := new(rig.LockedBuffer)
	cmd.Stdout, cmd.Stderr, cmd.Dir = printed, printed, dir
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: run scripts/install-deps", err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); cmd.Wait() }()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		<-ended
		if t.Failed() {
			t.Logf("prometheus said:\n%s", printed)
		}
	})
	p = &prometheus{t: t, base: "http://" + address}
	gone := false
	p.await("prometheus is ready", func() error {
		_, err := get(p.base + "/-/ready")
		select {
		case <-ended: // so it was somebody else who answered
			gone = true
			return nil
		default:
		}
		return err
	})
	if gone {
		return nil, printed.String()
	}
	return p, ""
}

// get returns what a GET of url gives with status 200.
func get(url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", res.Status, body)
	}
	return body, err
}

// await calls f until it returns nil, at the pace of scrapes.
func (p *prometheus) await(what string, f func() error) {
	p.t.Helper()
	deadline, again := time.After(2*time.Minute), time.NewTicker(scrapeEvery/4)
	defer again.Stop()
	for {
		err := f()
		if err == nil {
			return
		}
		select {
		case <-again.C:
		case <-deadline:
			p.t.Fatalf("%s: %v", what, err)
		}
	}
}

// api asks path of Prometheus's API, and puts the answer's data into data.
func (p *prometheus) api(path string, query url.Values, data any) error {
	body, err := get(p.base + "/api/v1/" + path + "?" + query.Encode())
	if err != nil {
		return err
	}
	answer := struct {
		Status string
		Data   any
	}{Data: data}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Status != "success" {
		return fmt.Errorf("%s: %w", body, err)
	}
	return nil
}

// query returns the values that expr has now, one for each series.
func (p *prometheus) query(expr string) ([]float64, error) {
	var data struct {
		Result []struct {
			Value [2]any
		}
	}
	if err := p.api("query", url.Values{"query": {expr}}, &data); err != nil {
		return nil, err
	}
	var all []float64
	for _, r := range data.Result {
		text, _ := r.Value[1].(string)
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// expect says what a query must give: of is asked again each time, as clients may
// still be at it.
type expect struct {
	expr string
	of   func() int64
}

func exactly(n int64) func() int64 { return func() int64 { return n } }

// awaitAll waits for a scrape after which all is as the clients have it.
func (p *prometheus) awaitAll(when string, all []expect) {
	p.t.Helper()
	p.await(when, func() error {
		wrong := ""
		for _, e := range all {
			got, err := p.query(e.expr)
			if err != nil {
				return err
			}
			if want := e.of(); len(got) != 1 || got[0] != float64(want) {
				wrong += fmt.Sprintf("\n%s is %v, want %d", e.expr, got, want)
			}
		}
		if wrong != "" {
			return fmt.Errorf("%s", wrong)
		}
		return nil
	})
}
