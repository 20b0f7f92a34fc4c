package awsemu

import (
	"encoding/xml"
	"net/http"
	"net/url"
)

// queryError is an error of a service that speaks the Query protocol.
type queryError struct {
	XMLName   xml.Name `xml:"ErrorResponse"`
	Namespace string   `xml:"xmlns,attr"`
	Type      string   `xml:"Error>Type"`
	Code      string   `xml:"Error>Code"`
	Message   string   `xml:"Error>Message"`
}

// queryCodes are the Query services' names for what the JSON services call
// otherwise, all with status 403.
var queryCodes = map[string]string{
	"UnrecognizedClientException":         "InvalidClientTokenId",
	"InvalidSignatureException":           "SignatureDoesNotMatch",
	"ExpiredTokenException":               "ExpiredToken",
	"IncompleteSignatureException":        "IncompleteSignature",
	"MissingAuthenticationTokenException": "MissingAuthenticationToken",
	"AccessDeniedException":               "AccessDenied",
	"AccessDenied":                        "AccessDenied",
}

// queryOperation serves one operation of a Query service for caller.
type queryOperation func(caller Caller, form url.Values) (any, *apiError)

// callQuery checks the signature for service and runs the operation that the
// form names, unless a fault is set for it.
func (e *Emulator) callQuery(r *http.Request, body []byte, service string, operations map[string]queryOperation) (any, *apiError) {
	answer, err := e.runQuery(r, body, service, operations)
	if err != nil {
		if code, ok := queryCodes[err.code]; ok {
			err = &apiError{code, err.message, http.StatusForbidden}
		}
	}
	return answer, err
}

func (e *Emulator) runQuery(r *http.Request, body []byte, service string, operations map[string]queryOperation) (any, *apiError) {
	caller, err := e.verify(r, body, service)
	if err != nil {
		return nil, err
	}
	form, parseErr := url.ParseQuery(string(body))
	run, ok := operations[form.Get("Action")]
	if parseErr != nil || !ok {
		return nil, failed("InvalidAction", "Could not find operation "+form.Get("Action")+" for version "+form.Get("Version"))
	}
	e.dawdle(r.Context(), form.Get("Action"))
	if err := e.injected(form.Get("Action")); err != nil {
		return nil, err
	}
	return run(caller, form)
}

func writeXML(w http.ResponseWriter, answer any, err *apiError, namespace string) {
	w.Header().Set("Content-Type", "text/xml")
	if err != nil {
		w.WriteHeader(err.status)
		answer = queryError{Namespace: namespace, Type: "Sender", Code: err.code, Message: err.message}
	}
	_ = xml.NewEncoder(w).Encode(answer)
}
