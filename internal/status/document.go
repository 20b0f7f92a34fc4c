package status

import "time"

// Version is the version of the document's form.
const Version = 1

// Document is everything that can be said of a running proxy at one moment. Times
// are UTC, durations are in seconds, byte counts in bytes.
type Document struct {
	Version     int          `json:"version"`
	At          time.Time    `json:"at"`
	Proxy       Proxy        `json:"proxy"`
	Credentials []Credential `json:"credentials"`
	Warnings    []Warning    `json:"warnings"`
	Targets     []Target     `json:"targets"`
	Clients     []Client     `json:"clients"`
	Events      []Event      `json:"events"` // the latest first, 50 at most
}

// State is what a proxy is doing.
type State string

// The states of a proxy, in the order of a life.
const (
	Starting State = "starting"
	Serving  State = "serving"
	Draining State = "draining" // open sessions go on, nobody new is let in
)

// Proxy is the process.
type Proxy struct {
	Release        string     `json:"release"` // version of pgkeyless
	PID            int        `json:"pid"`
	State          State      `json:"state"`
	Started        time.Time  `json:"started"`
	Uptime         float64    `json:"uptime_seconds"`
	ConfigFile     string     `json:"config_file,omitempty"`
	Reload         *Reload    `json:"reload,omitempty"`     // nil before the first one
	Page           string     `json:"page,omitempty"`       // URL of the status page
	Open           int64      `json:"connections_open"`     // cancel requests and clients that log in included
	MaxConnections int        `json:"max_connections"`      // 0: no limit
	Accepted       int64      `json:"connections_accepted"` // since the start
	Unstarted      []Reason   `json:"unstarted"`            // connections that sent no StartupMessage, by reason
	Cancels        CancelSums `json:"cancels"`              //
	Traffic        Traffic    `json:"traffic"`              // of all targets
}

// CancelSums counts cancel requests.
type CancelSums struct {
	Known   int64 `json:"known"`   // forwarded to the database
	Unknown int64 `json:"unknown"` // with a key that no client was given
}

// Reason counts connections that ended for one reason.
type Reason struct {
	Reason string `json:"reason"`
	Count  int64  `json:"count"`
}

// Reload is the last time that the configuration was read again.
type Reload struct {
	At    time.Time `json:"at"`
	OK    bool      `json:"ok"` // otherwise the configuration before it stays in force
	Error string    `json:"error,omitempty"`
	Hint  string    `json:"hint,omitempty"`
}

// Credential is what is known of the AWS credentials of one profile. Nothing is
// asked for this document: before the first login a profile is not known.
type Credential struct {
	Profile   string     `json:"profile"` // "" is the environment's choice
	Known     bool       `json:"known"`
	ARN       string     `json:"arn,omitempty"`
	Account   string     `json:"account,omitempty"`
	Expires   *time.Time `json:"expires,omitempty"`            // nil: not known to end
	ExpiresIn float64    `json:"expires_in_seconds,omitempty"` // negative when they have ended
	Renewable bool       `json:"renewable"`                    // pgkeyless gets new ones by itself
	Error     string     `json:"error,omitempty"`              // of the last retrieval, when it failed
	Hint      string     `json:"hint,omitempty"`
}

// Warning is something that works and may not for long, or may surprise.
type Warning struct {
	Text string `json:"text"`
	Hint string `json:"hint,omitempty"`
}

// TargetState is how a target stands.
type TargetState string

// The states of a target. A target without clients is idle, which is normal: no
// tunnel is open then.
const (
	Idle    TargetState = "idle"
	Opening TargetState = "opening" // the first login is under way
	Up      TargetState = "up"
	Failing TargetState = "failing" // the last login failed for a reason that is not its client's own
)

// Target is one target and what its clients have met.
type Target struct {
	Name     string `json:"name"`
	Endpoint string `json:"endpoint,omitempty"` // "" while it has not been looked up
	Ref      string `json:"ref,omitempty"`      // identifier or ARN that is looked up
	Kind     string `json:"kind,omitempty"`     // of database, where that is known
	Region   string `json:"region,omitempty"`
	Profile  string `json:"profile,omitempty"`
	Via      string `json:"via,omitempty"`

	Listen []string `json:"listen"` // host:port
	Socket string   `json:"socket,omitempty"`
	Shared bool     `json:"shared,omitempty"` // others listen there too
	Psql   string   `json:"psql"`             // lines to paste
	URL    string   `json:"url"`
	JDBC   string   `json:"jdbc"`             // "" for a Unix socket alone
	Guards []string `json:"guards,omitempty"` // settings that every login begins with

	State        TargetState `json:"state"`
	FailingSince *time.Time  `json:"failing_since,omitempty"`
	Failure      *Failure    `json:"failure,omitempty"` // the last one, also after a login has worked again

	Open     int    `json:"clients_open"` // logged in
	Starting int    `json:"clients_starting"`
	Peak     int    `json:"clients_peak"`
	Logins   Logins `json:"logins"`
	Last     *Login `json:"last_login,omitempty"`

	Traffic  Traffic   `json:"traffic"`
	Sessions []Session `json:"ssm_sessions"`
}

// Failure is a login that failed, in the words that its client got.
type Failure struct {
	At       time.Time `json:"at"`
	Stage    string    `json:"stage"`
	Cause    string    `json:"cause"` // as docs/troubleshooting.md lists them, or "other"
	SQLState string    `json:"sqlstate"`
	Message  string    `json:"message"`
	Detail   string    `json:"detail,omitempty"`
	Hint     string    `json:"hint,omitempty"`
}

// Logins counts logins of a target.
type Logins struct {
	Minute  Outcomes `json:"last_minute"`
	Quarter Outcomes `json:"last_15_minutes"`
	Total   Outcomes `json:"total"`
	Retries int64    `json:"retries"`
	Ready   Ready    `json:"ready"`
}

// Ready counts logins that were made before their clients came.
type Ready struct {
	Now     int   `json:"now"`     // they wait for a client
	Made    int64 `json:"made"`    // since the start
	Used    int64 `json:"used"`    // of them, those that a client got
	Dropped int64 `json:"dropped"` // of them, those that no client got
}

// Outcomes is how logins came out.
type Outcomes struct {
	OK      int64 `json:"ok"`
	Refused int64 `json:"refused"` // by the database
	Failed  int64 `json:"failed"`  // before it could
	Left    int64 `json:"left"`    // the client closed
}

// Login is one login that succeeded.
type Login struct {
	At     time.Time `json:"at"`
	Took   float64   `json:"seconds"`
	Stages []Stage   `json:"stages"`
}

// Stage is a part of a login.
type Stage struct {
	Name string  `json:"stage"` // lookup, tunnel, dial, tls, credentials, auth
	Took float64 `json:"seconds"`
}

// Traffic is what clients and database have exchanged after their logins.
type Traffic struct {
	Up      int64   `json:"bytes_up"`   // client to database, since the start
	Down    int64   `json:"bytes_down"` // database to client
	UpNow   float64 `json:"up_per_second"`
	DownNow float64 `json:"down_per_second"`
	// History is the last minutes in steps of HistoryStep, the oldest first: bytes a
	// second.
	History []Rate `json:"history,omitempty"`
}

// HistoryStep and HistoryLength are the grain and the length of Traffic.History.
const (
	HistoryStep   = 5 * time.Second
	HistoryLength = 60
)

// Rate is bytes a second in both directions.
type Rate struct {
	Up   float64 `json:"up"`
	Down float64 `json:"down"`
}

// Session is one SSM session.
type Session struct {
	ID       string  `json:"id,omitempty"` // "" while it starts
	JumpHost string  `json:"jump_host"`
	Agent    string  `json:"agent,omitempty"` // version
	State    string  `json:"state"`           // starting, ready, resuming, retired, ending
	Retired  string  `json:"retired,omitempty"`
	Age      float64 `json:"age_seconds"`
	Streams  int     `json:"streams"` // 0: spare or idle
	Resumes  int64   `json:"resumes"`
	Resent   int64   `json:"resent_bytes"`
	Trip     float64 `json:"round_trip_seconds"`
	Silent   float64 `json:"silent_seconds,omitempty"` // the agent owes an answer for so long
	Now      float64 `json:"bytes_per_second"`         // both ways
	Ceiling  float64 `json:"ceiling_per_second"`       // what an agent gives at most, down
}

// AgentCeiling is what one SSM session carries down at most, in bytes a second,
// whatever the network: the agent sends 1,024 bytes a millisecond or so.
const AgentCeiling = 900_000

// Client is one open connection of a client.
type Client struct {
	ID          uint64     `json:"id"`
	Target      string     `json:"target,omitempty"` // "" while it has not named it
	From        string     `json:"from"`             // address, or path of the socket
	Via         string     `json:"via,omitempty"`    // address of the balancer that says so
	Peer        string     `json:"peer,omitempty"`   // OS user and process, where known
	TLS         bool       `json:"tls"`
	User        string     `json:"user,omitempty"` // database user
	Database    string     `json:"database,omitempty"`
	Application string     `json:"application_name,omitempty"`
	Since       time.Time  `json:"since"`
	LoggedIn    *time.Time `json:"logged_in,omitempty"`
	PID         uint32     `json:"backend_pid,omitempty"`
	State       string     `json:"state"`         // starting, active (the database owes an answer, or bytes keep moving) or idle
	Quiet       float64    `json:"quiet_seconds"` // since the last byte, to 5 s
	Up          int64      `json:"bytes_up"`
	Down        int64      `json:"bytes_down"`
	UpNow       float64    `json:"up_per_second"`
	DownNow     float64    `json:"down_per_second"`
}

// Event is something that happened: a failed login, a resumed SSM session, a reload.
// It is a record of the log.
type Event struct {
	At     time.Time `json:"at"`
	Level  string    `json:"level"` // info, warn, error
	Text   string    `json:"text"`
	Target string    `json:"target,omitempty"`
	Facts  []Fact    `json:"facts,omitempty"`
}

// Fact is one attribute of an Event.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Failing returns the targets whose last login failed.
func (d Document) Failing() []Target {
	var all []Target
	for _, t := range d.Targets {
		if t.State == Failing {
			all = append(all, t)
		}
	}
	return all
}
