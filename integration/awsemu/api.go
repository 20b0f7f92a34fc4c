package awsemu

import (
	"encoding/json"
	"encoding/xml"
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

// serveAPI serves the SSM API (AWS JSON 1.1) and the STS API (query protocol).
func (e *Emulator) serveAPI(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	w.Header().Set("X-Amzn-RequestId", newUUID().String())
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
	answer, apiErr := e.callSTS(r, body)
	e.cfg.Log.Debug("STS call", "error", codeOf(apiErr))
	writeXML(w, answer, apiErr)
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

func writeXML(w http.ResponseWriter, answer any, err *apiError) {
	w.Header().Set("Content-Type", "text/xml")
	if err != nil {
		w.WriteHeader(err.status)
		answer = stsError{Namespace: stsNamespace, Type: "Sender", Code: err.code, Message: err.message}
	}
	_ = xml.NewEncoder(w).Encode(answer)
}
