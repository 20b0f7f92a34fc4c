package awsemu

import (
	"encoding/xml"
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

// stsOperations are what STS answers.
func (e *Emulator) stsOperations() map[string]queryOperation {
	return map[string]queryOperation{"GetCallerIdentity": e.callerIdentity, "AssumeRole": e.assumeRole}
}

func (e *Emulator) callerIdentity(caller Caller, _ url.Values) (any, *apiError) {
	return callerIdentity{
		Namespace: stsNamespace, Arn: caller.ARN, UserID: caller.UserID, Account: e.cfg.Account,
		RequestID: newRequestID(),
	}, nil
}
