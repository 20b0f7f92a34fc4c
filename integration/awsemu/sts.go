package awsemu

import (
	"encoding/xml"
	"net/http"
	"net/url"
)

const stsNamespace = "https://sts.amazonaws.com/doc/2011-06-15/"

type callerIdentity struct {
	XMLName   xml.Name `xml:"GetCallerIdentityResponse"`
	Namespace string   `xml:"xmlns,attr"`
	Arn       string   `xml:"GetCallerIdentityResult>Arn"`
	UserID    string   `xml:"GetCallerIdentityResult>UserId"`
	Account   string   `xml:"GetCallerIdentityResult>Account"`
	RequestID string   `xml:"ResponseMetadata>RequestId"`
}

type stsError struct {
	XMLName   xml.Name `xml:"ErrorResponse"`
	Namespace string   `xml:"xmlns,attr"`
	Type      string   `xml:"Error>Type"`
	Code      string   `xml:"Error>Code"`
	Message   string   `xml:"Error>Message"`
}

// stsCodes are STS's names for what the JSON services call otherwise, all with
// status 403.
var stsCodes = map[string]string{
	"UnrecognizedClientException":         "InvalidClientTokenId",
	"InvalidSignatureException":           "SignatureDoesNotMatch",
	"ExpiredTokenException":               "ExpiredToken",
	"IncompleteSignatureException":        "IncompleteSignature",
	"MissingAuthenticationTokenException": "MissingAuthenticationToken",
}

// callSTS serves GetCallerIdentity.
func (e *Emulator) callSTS(r *http.Request, body []byte) (any, *apiError) {
	caller, err := e.verify(r, body, "sts")
	if err != nil {
		if code, ok := stsCodes[err.code]; ok {
			err = &apiError{code, err.message, http.StatusForbidden}
		}
		return nil, err
	}
	form, parseErr := url.ParseQuery(string(body))
	if parseErr != nil || form.Get("Action") != "GetCallerIdentity" {
		return nil, failed("InvalidAction", "Could not find operation for version 2011-06-15")
	}
	if err := e.injected("GetCallerIdentity"); err != nil {
		return nil, err
	}
	return callerIdentity{
		Namespace: stsNamespace, Arn: caller.ARN, UserID: caller.UserID, Account: e.cfg.Account,
		RequestID: newUUID().String(),
	}, nil
}
