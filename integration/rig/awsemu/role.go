package awsemu

import (
	"encoding/xml"
	"net/url"
	"regexp"
	"slices"
	"time"
)

// Role is a role that callers of the account may assume.
type Role struct {
	AccessKey string        // of the Caller that its credentials are
	Device    string        // the MFA device that its trust policy wants; empty for none
	Code      string        // what the device shows
	Life      time.Duration // default one hour
}

// sessionName is the form of a RoleSessionName and of a SourceIdentity.
//
// Source: AWS STS API reference, AssumeRole.
var sessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)

type assumedRole struct {
	XMLName      xml.Name `xml:"AssumeRoleResponse"`
	Namespace    string   `xml:"xmlns,attr"`
	AccessKeyID  string   `xml:"AssumeRoleResult>Credentials>AccessKeyId"`
	Secret       string   `xml:"AssumeRoleResult>Credentials>SecretAccessKey"`
	SessionToken string   `xml:"AssumeRoleResult>Credentials>SessionToken"`
	Expiration   string   `xml:"AssumeRoleResult>Credentials>Expiration"`
	ARN          string   `xml:"AssumeRoleResult>AssumedRoleUser>Arn"`
	RequestID    string   `xml:"ResponseMetadata>RequestId"`
}

// assumeRole answers as STS does: of a wrong code and a missing one it says the
// code AccessDenied, and the difference in words.
func (e *Emulator) assumeRole(caller Caller, form url.Values) (any, *apiError) {
	arn := form.Get("RoleArn")
	for _, name := range []string{form.Get("RoleSessionName"), form.Get("SourceIdentity")} {
		if name != "" && !sessionName.MatchString(name) {
			return nil, failed("ValidationError", "1 validation error detected: Value '"+name+"' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*")
		}
	}
	role, ok := e.cfg.Roles[arn]
	own, known := e.cfg.Callers[role.AccessKey]
	if !ok || !known || role.Device != "" && form.Get("SerialNumber") != role.Device {
		return nil, failed("AccessDenied", "User: "+caller.ARN+" is not authorized to perform: sts:AssumeRole on resource: "+arn)
	}
	e.mu.Lock()
	e.assumed = append(e.assumed, Assumption{arn, form.Get("RoleSessionName"), form.Get("SourceIdentity"), caller.ARN})
	e.mu.Unlock()
	if role.Device != "" && form.Get("TokenCode") != role.Code {
		return nil, failed("AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code. ")
	}
	life := role.Life
	if life == 0 {
		life = time.Hour
	}
	return assumedRole{
		Namespace: stsNamespace, AccessKeyID: role.AccessKey, Secret: own.SecretAccessKey, SessionToken: own.SessionToken,
		Expiration: e.now().Add(life).UTC().Format(time.RFC3339), ARN: own.ARN, RequestID: newRequestID(),
	}, nil
}

// Assumption is one call of AssumeRole.
type Assumption struct{ Role, Session, SourceIdentity, Caller string }

// Assumptions are the calls of AssumeRole for a role that there is, with whatever code.
func (e *Emulator) Assumptions() []Assumption {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.assumed)
}

// RolesAssumed is how many Assumptions there are.
func (e *Emulator) RolesAssumed() int { return len(e.Assumptions()) }
