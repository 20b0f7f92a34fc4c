package awsemu

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// DSQLCluster is an Aurora DSQL cluster. Empty fields: active, the emulator's own region,
// the endpoint that all have.
type DSQLCluster struct {
	Identifier string // 26 characters of a to z and 0 to 9
	Status     string
	Endpoint   string
	Region     string
	NoEndpoint bool // GetCluster does not tell it, as in DSQL's first version
}

// SetDSQL replaces the clusters that DSQL knows. Lists come in pages of pageSize; zero
// means DSQL's own most, 100.
func (e *Emulator) SetDSQL(pageSize int, clusters ...DSQLCluster) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.dsql.clusters, e.dsql.pageSize = clusters, pageSize
}

type dsqlState struct {
	clusters []DSQLCluster
	pageSize int
}

const dsqlPath = "/cluster"

var dsqlIdentifier = regexp.MustCompile(`^[a-z0-9]{26}$`)

// serveDSQL serves DSQL's API (REST-JSON); false when the request is not for it.
//
// Source: Aurora DSQL API reference, ListClusters, GetCluster.
func (e *Emulator) serveDSQL(w http.ResponseWriter, r *http.Request, body []byte) bool {
	if r.Method != http.MethodGet || r.URL.Path != dsqlPath && !strings.HasPrefix(r.URL.Path, dsqlPath+"/") {
		return false
	}
	answer, err := e.callDSQL(r, body)
	e.cfg.Log.Debug("DSQL call", "path", r.URL.Path, "error", codeOf(err))
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.Header().Set("X-Amzn-ErrorType", err.code+":http://internal.amazon.com/coral/com.amazon.dsql/")
		w.WriteHeader(err.status)
		answer = map[string]string{"message": err.message}
	}
	_ = json.NewEncoder(w).Encode(answer)
	return true
}

// dsqlStatus are the statuses of codes that the JSON services answer with 400.
var dsqlStatus = map[string]int{
	"AccessDeniedException": 403, "UnrecognizedClientException": 403, "InvalidSignatureException": 403, "ExpiredTokenException": 403,
	"MissingAuthenticationTokenException": 403, "IncompleteSignatureException": 403, "ResourceNotFoundException": 404, "ThrottlingException": 429, "InternalServerException": 500,
}

func (e *Emulator) callDSQL(r *http.Request, body []byte) (any, *apiError) {
	answer, err := e.runDSQL(r, body)
	if err != nil {
		if status, ok := dsqlStatus[err.code]; ok {
			err = &apiError{err.code, err.message, status}
		}
	}
	return answer, err
}

func (e *Emulator) runDSQL(r *http.Request, body []byte) (any, *apiError) {
	caller, err := e.verify(r, body, "dsql")
	if err != nil {
		return nil, err
	}
	identifier, one := strings.CutPrefix(r.URL.Path, dsqlPath+"/")
	operation := "ListDSQLClusters" // ListClusters is ECS's, too
	if one {
		operation = "GetCluster"
	}
	e.dawdle(r.Context(), operation)
	if err := e.injected(operation); err != nil {
		return nil, err
	}
	e.mu.Lock()
	known := e.dsql
	e.mu.Unlock()
	if one {
		return e.getDSQL(caller, known, identifier)
	}
	return e.listDSQL(caller, known, r)
}

func (e *Emulator) getDSQL(caller Caller, known dsqlState, identifier string) (any, *apiError) {
	if !dsqlIdentifier.MatchString(identifier) {
		return nil, failed("ValidationException", "1 validation error detected: Value at 'identifier' failed to satisfy constraint")
	}
	if err := e.permit(caller, "dsql:GetCluster", e.arn("dsql", caller.region, "cluster/"+identifier), nil); err != nil {
		return nil, err
	}
	for _, c := range known.clusters {
		if c.Identifier != identifier || !e.here(caller, c.Region) {
			continue
		}
		answer := map[string]any{
			"identifier": c.Identifier, "arn": e.arn("dsql", c.Region, "cluster/"+c.Identifier), "status": or(c.Status, "ACTIVE"),
			"creationTime": 1.7648e9, "deletionProtectionEnabled": true, "tags": map[string]string{},
			"endpoint": or(c.Endpoint, c.Identifier+".dsql."+e.region(c.Region)+".on.aws"),
		}
		if c.NoEndpoint {
			delete(answer, "endpoint")
		}
		return answer, nil
	}
	return nil, failed("ResourceNotFoundException", "Requested resource does not exist.")
}

func (e *Emulator) listDSQL(caller Caller, known dsqlState, r *http.Request) (any, *apiError) {
	if err := e.permit(caller, "dsql:ListClusters", "*", nil); err != nil {
		return nil, err
	}
	query := r.URL.Query()
	most := 100
	if known.pageSize > 0 {
		most = known.pageSize
	}
	if given := query.Get("max-results"); given != "" {
		n, err := strconv.Atoi(given)
		if err != nil || n < 1 || n > 100 {
			return nil, failed("ValidationException", "max-results must be between 1 and 100")
		}
		most = min(most, n)
	}
	var here []map[string]string
	for _, c := range known.clusters {
		if e.here(caller, c.Region) {
			here = append(here, map[string]string{"identifier": c.Identifier, "arn": e.arn("dsql", c.Region, "cluster/"+c.Identifier)})
		}
	}
	from := 0
	if token := query.Get("next-token"); token != "" {
		n, err := strconv.Atoi(strings.TrimPrefix(token, "page+/="))
		if err != nil || n < 1 || n > len(here) {
			return nil, failed("ValidationException", "next-token is not one of ours")
		}
		from = n
	}
	to := min(from+most, len(here))
	answer := map[string]any{"clusters": append([]map[string]string{}, here[from:to]...)}
	if to < len(here) {
		answer["nextToken"] = "page+/=" + strconv.Itoa(to) // which takes escapes
	}
	return answer, nil
}
