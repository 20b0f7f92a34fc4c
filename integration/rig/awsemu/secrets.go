package awsemu

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Secret is one secret of Secrets Manager. Name is required.
type Secret struct {
	Name   string
	Text   string // of its current version
	Binary []byte // in place of Text
	Region string // empty: the emulator's own
	// Key is the ARN of a customer's KMS key; empty for AWS's own. Reading takes kms:Decrypt
	// on it.
	Key string
	// KeyBroken has the key disabled.
	KeyBroken bool
	// Deleted marks the secret for deletion.
	Deleted bool
}

// storedSecret is a Secret with its current version.
type storedSecret struct {
	Secret
	version int
	created time.Time
}

const secretsTargetPrefix = "secretsmanager."

// secretSuffix is what the ARNs of all secrets end in, where AWS adds random characters.
const secretSuffix = "-AbCdEf"

// PutSecret stores s, and what it holds as the current version. A rotation at which AWS's
// current version is behind the database is a database that is changed some time before.
func (e *Emulator) PutSecret(s Secret) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.secrets == nil {
		e.secrets = map[string]storedSecret{}
	}
	key := e.region(s.Region) + "/" + s.Name
	e.secrets[key] = storedSecret{s, e.secrets[key].version + 1, time.Now()}
}

// RemoveSecret forgets a secret of the emulator's region.
func (e *Emulator) RemoveSecret(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.secrets, e.cfg.Region+"/"+name)
}

// SecretARN is the ARN that a secret of the emulator's region has.
func (e *Emulator) SecretARN(name string) string {
	return e.arn("secretsmanager", "", "secret:"+name+secretSuffix)
}

// callSecrets checks the signature and dispatches.
func (e *Emulator) callSecrets(r *http.Request, operation string, body []byte) (any, *apiError) {
	caller, err := e.verify(r, body, "secretsmanager")
	if err != nil {
		return nil, err
	}
	e.dawdle(r.Context(), operation)
	if err := e.injected(operation); err != nil {
		return nil, err
	}
	var in struct{ SecretId, VersionId, VersionStage string }
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, failed("SerializationException", "the request body is not what the operation takes")
	}
	if in.VersionId != "" || in.VersionStage != "" && in.VersionStage != "AWSCURRENT" {
		return nil, failed("ResourceNotFoundException", "Secrets Manager can't find the specified secret value for staging label: "+in.VersionStage)
	}
	switch operation {
	case "GetSecretValue":
		return e.getSecretValue(caller, in.SecretId)
	case "DescribeSecret":
		return e.describeSecret(caller, in.SecretId)
	}
	return nil, failed("UnknownOperationException", "")
}

// findSecret finds a secret by name or ARN in the caller's region, if the caller may do
// action with it.
func (e *Emulator) findSecret(caller Caller, action, id string) (storedSecret, string, *apiError) {
	name := id
	if rest, ok := strings.CutPrefix(id, e.arn("secretsmanager", caller.region, "secret:")); ok {
		name = strings.TrimSuffix(rest, secretSuffix)
	}
	arn := e.arn("secretsmanager", caller.region, "secret:"+name+secretSuffix)
	if err := e.permit(caller, "secretsmanager:"+action, arn, nil); err != nil {
		return storedSecret{}, "", err
	}
	e.mu.Lock()
	s, ok := e.secrets[caller.region+"/"+name]
	e.mu.Unlock()
	if !ok {
		return storedSecret{}, "", failed("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
	}
	return s, arn, nil
}

func (e *Emulator) getSecretValue(caller Caller, id string) (any, *apiError) {
	s, arn, err := e.findSecret(caller, "GetSecretValue", id)
	switch {
	case err != nil:
		return nil, err
	case s.Deleted:
		return nil, failed("InvalidRequestException", "You can't perform this operation on the secret because it was marked for deletion.")
	case s.KeyBroken:
		return nil, failed("DecryptionFailure", "Secrets Manager can't decrypt the protected secret text using the provided KMS key.")
	}
	if s.Key != "" {
		via := iamContext{"kms:ViaService": "secretsmanager." + caller.region + ".amazonaws.com"}
		if err := e.permit(caller, "kms:Decrypt", s.Key, via); err != nil {
			return nil, failed("AccessDeniedException", "Access to KMS is not allowed")
		}
	}
	answer := map[string]any{
		"ARN": arn, "Name": s.Name, "VersionId": fmt.Sprintf("00000000-0000-4000-8000-%012d", s.version),
		"VersionStages": []string{"AWSCURRENT"}, "CreatedDate": float64(s.created.UnixMilli()) / 1000,
	}
	if s.Binary != nil {
		answer["SecretBinary"] = s.Binary
	} else {
		answer["SecretString"] = s.Text
	}
	return answer, nil
}

func (e *Emulator) describeSecret(caller Caller, id string) (any, *apiError) {
	s, arn, err := e.findSecret(caller, "DescribeSecret", id)
	if err != nil {
		return nil, err
	}
	answer := map[string]any{"ARN": arn, "Name": s.Name, "CreatedDate": float64(s.created.UnixMilli()) / 1000}
	if s.Key != "" { // left out for AWS's own key
		answer["KmsKeyId"] = s.Key
	}
	return answer, nil
}
