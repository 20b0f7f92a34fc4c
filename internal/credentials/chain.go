package credentials

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/pgkeyless/pgkeyless/internal/sharedfiles"
)

// errNeedsCode is a role with MFA when nobody can be asked.
var errNeedsCode = errors.New("the role requires an MFA code")

// sourceFile marks keys that stand in a shared file.
const sourceFile = "SharedConfigCredentials"

// chain finds the provider for one retrieval. Its order is the SDK's; where the
// AWS CLI has another (a source profile's keys before its role) it is the CLI's.
//
//	the environment's keys ─ web identity ─ profile: source_profile or keys ─
//	credential_source ─ web identity ─ SSO ─ login ─ process ─ container ─ instance;
//	then the profile's role
type chain struct {
	*settings
	p    *provider
	wait *patience
}

// find returns the provider, not asked yet. What it can know to be wrong without
// asking anybody is an error.
func (c *chain) find() (aws.CredentialsProvider, error) {
	switch {
	case c.asked != "":
	case c.env.Credentials.HasKeys():
		return c.static(c.env.Credentials, config.CredentialsSourceName), nil
	case c.env.WebIdentityTokenFilePath != "" && c.env.RoleARN == "":
		return nil, &broken{
			what:  "AWS_WEB_IDENTITY_TOKEN_FILE is set, and AWS_ROLE_ARN is not",
			where: "AWS_WEB_IDENTITY_TOKEN_FILE=" + c.env.WebIdentityTokenFilePath,
			fix:   "set AWS_ROLE_ARN to the role that the token is for, or unset AWS_WEB_IDENTITY_TOKEN_FILE",
		}
	case c.env.WebIdentityTokenFilePath != "":
		path := c.env.WebIdentityTokenFilePath
		file := &tokenFile{path, "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE=" + path}
		return c.webIdentity(c.env.RoleARN, c.env.RoleSessionName, file), nil
	}
	return c.ofProfile(c.profile, nil)
}

// ofProfile returns the provider for s. above are the profiles that have it as a
// source, the nearest last.
func (c *chain) ofProfile(s sharedfiles.Section, above []sharedfiles.Section) (aws.CredentialsProvider, error) {
	if len(above) > 0 && hasKeys(s) {
		return c.ownSource(s)
	}
	// A profile that comes again means its own credentials, without its role.
	again := slices.ContainsFunc(above, func(a sharedfiles.Section) bool { return a.Name == s.Name })
	role, named := s.Get("role_arn"), s.Get("source_profile")
	if role != "" && named != "" && !again {
		next, ok := c.files.Profile(named)
		if !ok {
			return nil, c.noSource(s, named)
		}
		if named != s.Name {
			c.used = append(c.used, next)
		}
		source, err := c.ofProfile(next, append(above, s))
		if err != nil {
			return nil, err
		}
		return c.role(s, source)
	}
	if err := checkSource(s, above, again); err != nil {
		return nil, err
	}
	source, err := c.ownSource(s)
	if err != nil || role == "" || again || s.Get("web_identity_token_file") != "" {
		return source, err
	}
	return c.role(s, source)
}

// checkSource reports why s, which is to give credentials of its own, cannot. A
// profile that nothing has as its source may: the machine may have a role.
func checkSource(s sharedfiles.Section, above []sharedfiles.Section, again bool) error {
	switch {
	case hasSource(s):
		return nil
	case again:
		return loop(above, s)
	case s.Get("source_profile") != "":
		return &broken{what: fmt.Sprintf("profile %q has a source_profile and no role_arn", s.Name), where: s.Where("source_profile"),
			fix: "add the role_arn to assume with the source profile, or remove source_profile"}
	case len(above) == 0:
		return nil
	}
	if _, err := keysOf(s); err != nil {
		return err
	}
	last := above[len(above)-1]
	where := last.Where("source_profile")
	if place := s.Place(); place != "" {
		where += "; " + place
	}
	return &broken{what: fmt.Sprintf("source_profile %q of profile %q has no credentials: neither keys nor a role, SSO, a login or a credential_process", s.Name, last.Name),
		where: where, fix: "name a source_profile that has credentials, or give this one some"}
}

// ownSource returns the provider of what s says beside its source profile and role.
func (c *chain) ownSource(s sharedfiles.Section) (aws.CredentialsProvider, error) {
	keys, err := keysOf(s)
	switch {
	case err != nil:
		return nil, err
	case keys.HasKeys():
		return c.static(keys, sourceFile), nil
	case s.Get("credential_source") != "":
		return c.named(s)
	case s.Get("web_identity_token_file") != "" && s.Get("role_arn") == "":
		return nil, &broken{what: fmt.Sprintf("profile %q has a web_identity_token_file and no role_arn", s.Name), where: s.Where("web_identity_token_file"),
			fix: "add the role_arn that the token is for, or remove web_identity_token_file"}
	case s.Get("web_identity_token_file") != "":
		file := &tokenFile{s.Get("web_identity_token_file"), "web_identity_token_file", s.Where("web_identity_token_file")}
		return c.webIdentity(s.Get("role_arn"), s.Get("role_session_name"), file), nil
	case hasSSO(s):
		session, err := c.ssoSession(s)
		if err != nil {
			return nil, err
		}
		return &ssoProvider{session: session, cfg: c.aws, tokens: c.p.tokens, warn: c.p.warn}, nil
	case s.Get("login_session") != "":
		return c.login(s)
	case s.Get("credential_process") != "":
		return &process{
			profile: s.Name, command: s.Get("credential_process"), people: c.p.people,
			wait: c.wait, running: c.p.processes, open: &c.p.open, warn: c.p.warn,
		}, nil
	case c.env.ContainerCredentialsRelativePath != "" || c.env.ContainerCredentialsEndpoint != "":
		return c.container()
	}
	return c.instance(), nil
}

func hasKeys(s sharedfiles.Section) bool {
	return s.Get("aws_access_key_id") != "" && s.Get("aws_secret_access_key") != ""
}

func hasSSO(s sharedfiles.Section) bool {
	for _, key := range []string{"sso_session", "sso_start_url", "sso_region", "sso_account_id", "sso_role_name"} {
		if s.Get(key) != "" {
			return true
		}
	}
	return false
}

// hasSource reports whether s has credentials of its own, beside those of a
// source profile.
func hasSource(s sharedfiles.Section) bool {
	return hasKeys(s) || hasSSO(s) || slices.ContainsFunc([]string{"credential_source", "web_identity_token_file", "login_session", "credential_process"},
		func(key string) bool { return s.Get(key) != "" })
}

// keysOf returns the keys in s; half of them is an error.
func keysOf(s sharedfiles.Section) (aws.Credentials, error) {
	c := aws.Credentials{AccessKeyID: s.Get("aws_access_key_id"), SecretAccessKey: s.Get("aws_secret_access_key"), SessionToken: s.Get("aws_session_token"), AccountID: s.Get("aws_account_id")}
	half := func(have, lack string) error {
		return &broken{what: fmt.Sprintf("profile %q has %s without %s", s.Name, have, lack), where: s.Where(have),
			fix: fmt.Sprintf("add %s there, or remove %s", lack, have)}
	}
	switch {
	case c.AccessKeyID != "" && c.SecretAccessKey == "":
		return c, half("aws_access_key_id", "aws_secret_access_key")
	case c.AccessKeyID == "" && c.SecretAccessKey != "":
		return c, half("aws_secret_access_key", "aws_access_key_id")
	}
	return c, nil
}

// noSource says that s names a source profile that does not exist.
func (c *chain) noSource(s sharedfiles.Section, named string) error {
	where := s.Where("source_profile")
	if near := c.files.Near(named); near != "" {
		where += "; " + near
	}
	return &broken{what: fmt.Sprintf("source_profile %q of profile %q does not exist", named, s.Name), where: where,
		fix: "correct the name there, or add that profile; `aws configure list-profiles` lists the profiles"}
}

// loop says that the source profiles come back to s.
func loop(above []sharedfiles.Section, s sharedfiles.Section) error {
	var names []string
	for _, a := range append(above, s) {
		names = append(names, a.Name)
	}
	last := above[len(above)-1]
	return &broken{what: "the source profiles form a loop: " + strings.Join(names, " → "), where: last.Where("source_profile"),
		fix: "let the last source_profile name a profile with credentials of its own"}
}

// static gives keys as they are. The cache looks whether their file changes.
func (c *chain) static(keys aws.Credentials, source string) aws.CredentialsProvider {
	keys.Source = source
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return keys, nil })
}

// named follows credential_source.
func (c *chain) named(s sharedfiles.Section) (aws.CredentialsProvider, error) {
	where := s.Where("credential_source")
	switch source := s.Get("credential_source"); source {
	case "Environment":
		if !c.env.Credentials.HasKeys() {
			return nil, &broken{what: fmt.Sprintf("credential_source of profile %q is Environment, and AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set", s.Name), where: where,
				fix: "export both, or name another credential_source"}
		}
		return c.static(c.env.Credentials, config.CredentialsSourceName), nil
	case "Ec2InstanceMetadata":
		return c.instance(), nil
	case "EcsContainer":
		if c.env.ContainerCredentialsRelativePath == "" && c.env.ContainerCredentialsEndpoint == "" {
			return nil, &broken{what: fmt.Sprintf("credential_source of profile %q is EcsContainer, and neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor AWS_CONTAINER_CREDENTIALS_FULL_URI is set", s.Name), where: where,
				fix: "run in a task or pod with a role, or name another credential_source"}
		}
		return c.container()
	default:
		return nil, &broken{what: fmt.Sprintf("credential_source of profile %q is %q, which is not Environment, Ec2InstanceMetadata or EcsContainer", s.Name, source), where: where,
			fix: "correct that setting"}
	}
}

// from is the configuration of a client that uses the credentials of source.
func (c *chain) from(source aws.CredentialsProvider) aws.Config {
	cfg := c.aws.Copy()
	cfg.Credentials = source
	return cfg
}

func (c *chain) webIdentity(role, session string, token stscreds.IdentityTokenRetriever) aws.CredentialsProvider {
	return stscreds.NewWebIdentityRoleProvider(sts.NewFromConfig(c.from(aws.AnonymousCredentials{})), role, token,
		func(o *stscreds.WebIdentityRoleOptions) { o.RoleSessionName = session })
}

// tokenFile is the file of a web identity, read each time: tokens are replaced.
type tokenFile struct{ path, setting, where string }

// GetIdentityToken implements stscreds.IdentityTokenRetriever.
func (f *tokenFile) GetIdentityToken() ([]byte, error) {
	token, err := os.ReadFile(sharedfiles.Expand(f.path))
	if err != nil {
		return nil, &broken{what: fmt.Sprintf("the file that %s names cannot be read: %v", f.setting, bare(err)), where: f.where,
			fix: fmt.Sprintf("let %s name the token's file, or remove it", f.setting), err: err}
	}
	return token, nil
}

// role assumes the role of s with source.
func (c *chain) role(s sharedfiles.Section, source aws.CredentialsProvider) (aws.CredentialsProvider, error) {
	device := s.Get("mfa_serial")
	if device != "" && c.p.people.MFACode == nil {
		return nil, errNeedsCode
	}
	return &roleProvider{c, s, device, source}, nil
}

// roleProvider assumes the role of a profile.
type roleProvider struct {
	chain   *chain
	profile sharedfiles.Section
	device  string
	source  aws.CredentialsProvider
}

func (r *roleProvider) Retrieve(ctx context.Context) (aws.Credentials, error) {
	// Those of the source come first: a person should not be asked for a code that
	// cannot be used.
	source, err := r.source.Retrieve(ctx)
	if err != nil {
		return aws.Credentials{}, err
	}
	given := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return source, nil })
	return stscreds.NewAssumeRoleProvider(sts.NewFromConfig(r.chain.from(given)), r.profile.Get("role_arn"), func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = r.profile.Get("role_session_name")
		if id := r.profile.Get("external_id"); id != "" {
			o.ExternalID = aws.String(id)
		}
		if seconds, err := strconv.Atoi(r.profile.Get("duration_seconds")); err == nil && time.Duration(seconds)*time.Second > stscreds.DefaultDuration {
			o.Duration = time.Duration(seconds) * time.Second
		}
		if r.device == "" {
			return
		}
		o.SerialNumber = aws.String(r.device)
		o.TokenProvider = func() (string, error) {
			defer r.chain.wait.pause()()
			return r.chain.p.mfaCode(ctx, r.device)
		}
	}).Retrieve(ctx)
}

// instance asks the metadata service of the machine.
func (c *chain) instance() aws.CredentialsProvider {
	return ec2rolecreds.New(func(o *ec2rolecreds.Options) {
		o.Client = imds.NewFromConfig(c.aws, func(o *imds.Options) { o.HTTPClient = nearbyHTTPClient() })
	})
}

// lookedAt tells in plain words what the chain tried before it gave up at
// instance metadata, whose error is all that comes back.
func (s *settings) lookedAt() string {
	for _, p := range s.used {
		if source := p.Get("credential_source"); source != "" {
			return fmt.Sprintf("profile %q uses %s, which has none here (%s)", p.Name, source, p.Where("credential_source"))
		}
	}
	var places []string
	if s.asked == "" {
		places = append(places, "the environment (AWS_ACCESS_KEY_ID"+halfInEnvironment()+")")
	}
	places = append(places,
		fmt.Sprintf("profile %q of %s and %s", effectiveProfile(s.asked), s.files.Config.State(), s.files.Credentials.State()),
		"a container's role")
	instance := " and an instance's role (EC2 metadata)"
	if strings.EqualFold(os.Getenv("AWS_EC2_METADATA_DISABLED"), "true") {
		instance = "; pgkeyless did not look for an instance's role (AWS_EC2_METADATA_DISABLED)"
	}
	text := "looked at " + strings.Join(places, ", ") + instance
	if foreign := whoseHome(s.files); foreign != "" {
		text += "; " + foreign
	}
	return text
}

func halfInEnvironment() string {
	key := cmp.Or(os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_ACCESS_KEY"))
	secret := cmp.Or(os.Getenv("AWS_SECRET_ACCESS_KEY"), os.Getenv("AWS_SECRET_KEY"))
	switch {
	case key != "" && secret == "":
		return " is set, AWS_SECRET_ACCESS_KEY is not"
	case key == "" && secret != "":
		return " is not set, AWS_SECRET_ACCESS_KEY is"
	}
	return ""
}
