package metrics

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// kind is the type of a metric, as Prometheus names it.
type kind string

const (
	counter   kind = "counter"
	gauge     kind = "gauge"
	histogram kind = "histogram"
)

// family is one metric: a row of docs/metrics.md.
type family struct {
	name   string // without the namespace
	kind   kind
	labels []string
	help   string
}

// desc is how the client library knows f.
func (f *family) desc(namespace string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", f.name), f.help, f.labels, nil)
}

// The metrics.
var (
	buildInfo = &family{"build_info", gauge, []string{"version", "goversion"},
		"Always 1. The labels carry the version of pgkeyless and of Go."}
	accepted = &family{"connections_accepted_total", counter, []string{"target"},
		"Connections accepted. Those that ended before they named a target have an empty target."}
	open = &family{"connections_open", gauge, []string{"target", "state"},
		"Open connections by state: starting (not logged in yet) or active."}
	maxConnections = &family{"max_connections", gauge, nil,
		"Maximum number of connections at one time (--max-connections); 0 means no limit."}
	logins = &family{"logins_total", counter, []string{"target", "result"},
		"Logins by result: ok, refused (by the database), failed (for any other reason) or left (the client closed first, or was a pg_isready with a user that it made up)."}
	loginFailures = &family{"login_failures_total", counter, []string{"target", "stage", "cause"},
		"Logins that were refused or failed, by the stage they had reached and the cause from the table of causes, or other."}
	loginSeconds = &family{"login_seconds", histogram, []string{"target", "stage"},
		"Time that successful logins spent in each stage."}
	loginRetries = &family{"login_retries_total", counter, []string{"target"},
		"Logins that pgkeyless repeated with a new token after a refusal that may pass."}
	readyLogins = &family{"ready_logins", gauge, []string{"target"},
		"Logins at the database that wait for a client."}
	readyLoginsEnded = &family{"ready_logins_ended_total", counter, []string{"target", "result"},
		"Ready logins that wait no more, by result: used (a client got it) or dropped."}
	unstarted = &family{"unstarted_total", counter, []string{"reason"},
		"Connections that ended before they asked for a login: barred, closed, crowded, http, overdue, protocol, shutdown or tls."}
	sentBytes = &family{"bytes_total", counter, []string{"target", "direction"},
		"Bytes that sessions carried after the login, running sessions included: up to the database, down to the client."}
	cancels = &family{"cancels_total", counter, []string{"known"},
		"Cancel requests: true if their key belongs to a session of this run, otherwise false."}
	sessionSeconds = &family{"session_seconds", histogram, []string{"target"},
		"Length of sessions that logged in and have ended."}
	ssmSessions = &family{"ssm_sessions", gauge, []string{"target", "host", "state"},
		"SSM sessions by jump host and state: starting, ready, resuming, retired or ending. One that targets share counts for each of them."}
	ssmStarted = &family{"ssm_sessions_started_total", counter, []string{"result"},
		"Starts of SSM sessions by result: ok or failed."}
	ssmResumes = &family{"ssm_resumes_total", counter, []string{"result"},
		"Lost websockets of SSM sessions by result: ok (a new one continues the session) or failed (the session ended)."}
	ssmResent = &family{"ssm_resent_bytes_total", counter, nil,
		"Bytes of messages that SSM sessions sent again."}
	ssmRTT = &family{"ssm_rtt_seconds", gauge, []string{"target", "host"},
		"Smoothed round trip to the agent on the jump host. Of several open SSM sessions, the slowest."}
	credentialsExpiry = &family{"credentials_expiry_timestamp_seconds", gauge, []string{"profile"},
		"When the AWS credentials in use expire. Missing if they have no expiry. pgkeyless renews them at the next login."}
	credentialsRenewable = &family{"credentials_renewable", gauge, []string{"profile"},
		"1 if pgkeyless can renew the AWS credentials in use, or they never expire; otherwise 0."}
	credentialsSuccess = &family{"credentials_last_retrieval_success", gauge, []string{"profile"},
		"1 if the last attempt to get AWS credentials succeeded, otherwise 0. Missing before the first attempt."}
	rootExpiry = &family{"root_expiry_timestamp_seconds", gauge, nil,
		"When the first of the root certificates expires that databases were verified by. Missing before the first login."}
	reloadSuccess = &family{"config_last_reload_success", gauge, nil,
		"1 if the last reload of the configuration succeeded, or there was none; 0 if it was refused."}
	reloadTime = &family{"config_last_reload_timestamp_seconds", gauge, nil,
		"When the configuration was last read, successfully or not."}
)

// families are all of them, in the order of the documentation.
var families = []*family{
	buildInfo, accepted, open, maxConnections, logins, loginFailures, loginSeconds, loginRetries, readyLogins, readyLoginsEnded, unstarted,
	sentBytes,
	cancels, sessionSeconds, ssmSessions, ssmStarted, ssmResumes, ssmResent, ssmRTT, credentialsExpiry,
	credentialsRenewable, credentialsSuccess, rootExpiry, reloadSuccess, reloadTime,
}

// What stands around the table in docs/metrics.md.
const (
	markdownBegin = "<!-- metrics: a test of internal/metrics holds this table to the code -->\n"
	markdownEnd   = "<!-- end of metrics -->"
)

// markdown is the table of docs/metrics.md.
func markdown() string {
	var b strings.Builder
	b.WriteString("| metric | type | labels | meaning |\n|---|---|---|---|\n")
	for _, f := range families {
		labels := "none"
		if len(f.labels) > 0 {
			labels = "`" + strings.Join(f.labels, "`, `") + "`"
		}
		b.WriteString("| `pgkeyless_" + f.name + "` | " + string(f.kind) + " | " + labels + " | " + f.help + " |\n")
	}
	return b.String()
}
