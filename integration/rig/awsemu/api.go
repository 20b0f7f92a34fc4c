package awsemu

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// maxBody is the largest API request body that is read.
const maxBody = 1 << 20

const ssmTargetPrefix = "AmazonSSM."

// apiError is an AWS error: code, what it says, HTTP status.
type apiError struct {
	code    string
	message string
	status  int
}

// failed makes an apiError with the status that AWS gives the code.
func failed(code, message string) *apiError {
	status := http.StatusBadRequest
	switch code {
	case "InternalServerError", "InternalFailure":
		status = http.StatusInternalServerError
	case "ServiceUnavailable", "ServiceUnavailableException":
		status = http.StatusServiceUnavailable
	}
	return &apiError{code, message, status}
}

// serveAPI serves the APIs of SSM, ECS and Secrets Manager (AWS JSON 1.1), those of STS,
// IAM, RDS, Auto Scaling and CloudWatch (Query) and those of Identity Center and DSQL
// (REST-JSON).
func (e *Emulator) serveAPI(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	w.Header().Set("X-Amzn-RequestId", newRequestID())
	if e.serveSSO(w, r, body) || e.serveDSQL(w, r, body) {
		return
	}
	operation, isSSM := strings.CutPrefix(r.Header.Get("X-Amz-Target"), ssmTargetPrefix)
	if r.Method != http.MethodPost || r.URL.Path != "/" {
		http.NotFound(w, r)
		return
	}
	if isSSM {
		answer, apiErr := e.callSSM(r, operation, body)
		e.cfg.Log.Debug("SSM call", "operation", operation, "error", codeOf(apiErr))
		writeJSON(w, answer, apiErr)
		return
	}
	if operation, isECS := strings.CutPrefix(r.Header.Get("X-Amz-Target"), ecsTargetPrefix); isECS {
		answer, apiErr := e.callECS(r, operation, body)
		e.cfg.Log.Debug("ECS call", "operation", operation, "error", codeOf(apiErr))
		writeJSON(w, answer, apiErr)
		return
	}
	if operation, isSecrets := strings.CutPrefix(r.Header.Get("X-Amz-Target"), secretsTargetPrefix); isSecrets {
		answer, apiErr := e.callSecrets(r, operation, body)
		e.cfg.Log.Debug("Secrets Manager call", "operation", operation, "error", codeOf(apiErr))
		writeJSON(w, answer, apiErr)
		return
	}
	service, namespace, operations := "sts", stsNamespace, e.stsOperations()
	switch signedService(r) {
	case "iam":
		service, namespace, operations = "iam", iamNamespace, e.iamOperations()
	case "rds":
		service, namespace, operations = "rds", rdsNamespace, e.rdsOperations()
	case "autoscaling":
		service, namespace, operations = "autoscaling", autoScalingNamespace, e.autoScalingOperations()
	case "monitoring":
		service, namespace, operations = "monitoring", cloudWatchNamespace, e.cloudWatchOperations()
	}
	answer, apiErr := e.callQuery(r, body, service, operations)
	e.cfg.Log.Debug(service+" call", "error", codeOf(apiErr))
	writeXML(w, answer, apiErr, namespace)
}

// newRequestID is a random UUID, which only looks like one.
func newRequestID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// signedService is the service that a request is signed for, "" for none.
func signedService(r *http.Request) string {
	auth, _ := parseAuthorization(r.Header.Get("Authorization"))
	return auth.service
}

func codeOf(err *apiError) string {
	if err == nil {
		return ""
	}
	return err.code
}

func writeJSON(w http.ResponseWriter, answer any, err *apiError) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if err != nil {
		w.WriteHeader(err.status)
		answer = map[string]string{"__type": err.code, "message": err.message}
	}
	_ = json.NewEncoder(w).Encode(answer)
}
