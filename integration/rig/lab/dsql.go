package lab

import (
	"context"

	"github.com/pgkeyless/pgkeyless/integration/rig/dsql"
	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// The one Aurora DSQL cluster of the emulated account, and the IAM role of the caller.
const (
	DSQLID   = "abtkpcdmqncdwnx7z2tkqvbzmy"
	DSQLHost = DSQLID + ".dsql." + Region + ".on.aws"
	DSQLARN  = "arn:aws:dsql:" + Region + ":" + Account + ":cluster/" + DSQLID
	RoleARN  = "arn:aws:iam::" + Account + ":role/developer"
)

// StartDSQL starts the stand-in for DSQL as DSQLHost and makes it verify tokens by c.
// tweak, when not nil, changes the configuration first.
func StartDSQL(ctx context.Context, c Credentials, tweak func(*dsql.Config)) (*dsql.Server, error) {
	cfg := dsql.Config{
		Host:   DSQLHost,
		Region: Region,
		Keys:   map[string]pgserver.Key{c.AccessKeyID: {Secret: c.SecretAccessKey, SessionToken: c.SessionToken}},
		Roles:  map[string]string{c.AccessKeyID: RoleARN},
	}
	if tweak != nil {
		tweak(&cfg)
	}
	return dsql.Start(ctx, cfg)
}
