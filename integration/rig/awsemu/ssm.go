package awsemu

import (
	"cmp"
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu/gateway"
)

// targetForm is what a jump host is called: EC2 instance, managed node, ECS
// container.
var targetForm = regexp.MustCompile(`^(i-([0-9a-f]{8}|[0-9a-f]{17})|mi-[0-9a-f]{17}|ecs:[^_]+_[^_]+_[^_]+)$`)

// The documents that forward a port.
const (
	documentRemoteHost = "AWS-StartPortForwardingSessionToRemoteHost"
	documentLocal      = "AWS-StartPortForwardingSession"
)

const maxTarget, maxReason = 400, 256

// ssmInput is the union of the operations' inputs.
type ssmInput struct {
	Target       string
	DocumentName string
	Reason       *string
	Parameters   map[string][]string
	SessionId    string
	State        string
	Filters      []struct {
		Key, Value string
		Values     []string
	}
	MaxResults *int
	NextToken  string
}

// sessionAnswer is what StartSession and ResumeSession give; a missing
// TokenValue says that the session is over.
type sessionAnswer struct {
	SessionId  string
	StreamUrl  string `json:",omitempty"`
	TokenValue string `json:",omitempty"`
}

// callSSM checks the signature and dispatches.
func (e *Emulator) callSSM(r *http.Request, operation string, body []byte) (any, *apiError) {
	caller, err := e.verify(r, body, "ssm")
	if err != nil {
		return nil, err
	}
	e.dawdle(r.Context(), operation)
	if err := e.injected(operation); err != nil {
		return nil, err
	}
	var in ssmInput
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, failed("SerializationException", "the request body is not what the operation takes")
	}
	switch operation {
	case "StartSession":
		return e.startSession(caller, in)
	case "ResumeSession":
		return e.resumeSession(caller, in)
	case "TerminateSession":
		return e.terminateSession(caller, in)
	case "GetConnectionStatus":
		return e.connectionStatus(in)
	case "DescribeSessions":
		return e.describeSessions(in)
	case "DescribeInstanceInformation":
		return e.describeNodes(caller, in)
	}
	return nil, failed("UnknownOperationException", "")
}

func invalid(text string) *apiError { return failed("ValidationException", text) }

// startSession answers before the agent has done anything.
func (e *Emulator) startSession(caller Caller, in ssmInput) (any, *apiError) {
	if in.Target == "" || len(in.Target) > maxTarget {
		return nil, invalid("1 validation error detected: Value at 'target' failed to satisfy constraint: Member must have length between 1 and 400")
	}
	reason := ""
	if in.Reason != nil {
		reason = *in.Reason
		if reason == "" || len(reason) > maxReason || strings.ContainsAny(reason, "\r\n") {
			return nil, invalid("1 validation error detected: Value at 'reason' failed to satisfy constraint")
		}
	}
	p, err := documentProperties(in.DocumentName, in.Parameters)
	if err != nil {
		return nil, err
	}
	if err := e.permitStart(caller, in); err != nil {
		return nil, err
	}
	if !e.online(in.Target) {
		return nil, failed("TargetNotConnected", in.Target+" is not connected.")
	}
	id, token := e.Open(gateway.Request{Target: in.Target, Document: in.DocumentName, Reason: reason, Owner: caller.ARN, Properties: p})
	e.mu.Lock()
	e.owners[id] = caller.UserID
	e.mu.Unlock()
	return sessionAnswer{id, e.streamURL(id), token}, nil
}

// documentProperties substitutes the parameters into the document's properties.
func documentProperties(document string, parameters map[string][]string) (gateway.Properties, *apiError) {
	p := gateway.Properties{Type: gateway.LocalForwarding, LocalPortNumber: "0"}
	known := map[string]*string{"portNumber": &p.PortNumber, "localPortNumber": &p.LocalPortNumber}
	switch document {
	case documentRemoteHost:
		known["host"] = &p.Host
	case documentLocal:
	default:
		return p, failed("InvalidDocument", "Document with name "+document+" does not exist.")
	}
	for name, values := range parameters {
		field, ok := known[name]
		if !ok || len(values) != 1 {
			return p, failed("InvalidParameters", "Parameter "+name+" is not valid for document "+document)
		}
		*field = values[0]
	}
	if document == documentRemoteHost && (p.Host == "" || strings.ContainsAny(p.Host, " /:") && !strings.Contains(p.Host, "::")) {
		return p, failed("InvalidParameters", "Parameter host is missing or not a host name")
	}
	if n, err := strconv.Atoi(p.PortNumber); err != nil || n < 1 || n > 65535 {
		return p, failed("InvalidParameters", "Parameter portNumber is missing or not a port")
	}
	if n, err := strconv.Atoi(p.LocalPortNumber); err != nil || n < 0 || n > 65535 {
		return p, failed("InvalidParameters", "Parameter localPortNumber is not a port")
	}
	return p, nil
}

// resumeSession gives a new token, or none if the session has ended.
func (e *Emulator) resumeSession(caller Caller, in ssmInput) (any, *apiError) {
	if err := e.permitSession(caller, "ResumeSession", in.SessionId); err != nil {
		return nil, err
	}
	e.mu.Lock()
	over := e.Live(in.SessionId) && e.resumeless.Take()
	e.mu.Unlock()
	if over {
		e.TerminateSession(in.SessionId, "")
	}
	token, known := e.Resume(in.SessionId)
	switch {
	case !known:
		return nil, unknownSession(in.SessionId)
	case token == "":
		return sessionAnswer{SessionId: in.SessionId}, nil
	}
	return sessionAnswer{in.SessionId, e.streamURL(in.SessionId), token}, nil
}

func unknownSession(id string) *apiError {
	return failed("DoesNotExistException", "Session "+id+" does not exist.")
}

// terminateSession ends the session; one that has ended is fine.
func (e *Emulator) terminateSession(caller Caller, in ssmInput) (any, *apiError) {
	if err := e.permitSession(caller, "TerminateSession", in.SessionId); err != nil {
		return nil, err
	}
	if !e.Terminate(in.SessionId) {
		return nil, unknownSession(in.SessionId)
	}
	return sessionAnswer{SessionId: in.SessionId}, nil
}

func (e *Emulator) connectionStatus(in ssmInput) (any, *apiError) {
	status := "notconnected"
	if e.online(in.Target) {
		status = "connected"
	}
	return map[string]string{"Target": in.Target, "Status": status}, nil
}

// sessionRow is a session as DescribeSessions shows it.
type sessionRow struct {
	SessionId    string
	Target       string
	Status       gateway.State
	StartDate    float64
	EndDate      float64 `json:",omitempty"`
	DocumentName string
	Owner        string
	Reason       string `json:",omitempty"`
}

// describeSessions lists the live sessions (State Active) or the ended ones
// (History) that meet every filter.
func (e *Emulator) describeSessions(in ssmInput) (any, *apiError) {
	if in.State != "Active" && in.State != "History" {
		return nil, invalid("1 validation error detected: Value at 'state' failed to satisfy constraint: Member must satisfy enum value set: [Active, History]")
	}
	rows := []sessionRow{}
	for _, s := range e.Sessions() {
		if (s.State == gateway.Terminated) != (in.State == "History") {
			continue
		}
		fields := map[string]string{"SessionId": s.ID, "Target": s.Target, "Owner": s.Owner, "Status": string(s.State)}
		keep := true
		for _, f := range in.Filters {
			value, ok := fields[f.Key]
			if !ok {
				return nil, failed("InvalidFilterKey", "The filter key "+f.Key+" is not known here")
			}
			keep = keep && value == f.Value
		}
		if !keep {
			continue
		}
		row := sessionRow{
			SessionId: s.ID, Target: s.Target, Status: s.State, StartDate: epoch(s.Started),
			DocumentName: s.Document, Owner: s.Owner, Reason: s.Reason,
		}
		if !s.Ended.IsZero() {
			row.EndDate = epoch(s.Ended)
		}
		rows = append(rows, row)
	}
	return map[string]any{"Sessions": rows}, nil
}

func epoch(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// streamURL leads to a session's data channel.
func (e *Emulator) streamURL(id string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return cmp.Or(e.origin, "ws://"+e.listen.Addr().String()) + gateway.StreamPath(id)
}
