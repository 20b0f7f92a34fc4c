package doctor

import (
	"fmt"
	"strings"
)

// Stage is one link of the path. Its ID and Code never change.
type Stage struct {
	ID   string // in lines and JSON
	Code int    // exit code of a walk that ends here; 0 for one that cannot
	What string // it looks at
}

// The stages, in the order of a walk.
var (
	Credentials  = Stage{"credentials", 10, "AWS credentials, and whose they are"}
	Clock        = Stage{"clock", 11, "this machine's clock against AWS's"}
	Endpoint     = Stage{"endpoint", 12, "the database's endpoint and region"}
	IAM          = Stage{"iam-authentication", 13, "IAM authentication is on"}
	ResourceID   = Stage{"resource-id", 14, "the resource id that policies name"}
	RDSProxy     = Stage{"rds-proxy", 0, "how an RDS Proxy serves clients, and whether it reaches its database"}
	Secret       = Stage{"secret", 23, "the user's password in Secrets Manager"}
	JumpHost     = Stage{"jump-host", 15, "a jump host is online, and its agent new enough"}
	Permissions  = Stage{"permissions", 0, "what IAM's policy simulation says"}
	StartSession = Stage{"start-session", 16, "an SSM session: document and permissions"}
	Websocket    = Stage{"websocket", 17, "the session's websocket, and the agent's handshake"}
	Stream       = Stage{"stream", 18, "the jump host reaches the database"}
	TLS          = Stage{"tls", 19, "the database's certificate: chain, name and expiry"}
	Metrics      = Stage{"login-metrics", 0, "what CloudWatch says of earlier IAM logins"}
	Login        = Stage{"login", 20, "a login with an IAM token or the password"}
	Rights       = Stage{"rights", 21, "the user may log in, and is in rds_iam"}
	Speed        = Stage{"speed", 22, "round trip, and an estimate of the throughput"}
)

// Stages lists them all in order.
func Stages() []Stage {
	return []Stage{Credentials, Clock, Endpoint, IAM, ResourceID, RDSProxy, Secret, JumpHost, Permissions, StartSession, Websocket, Stream,
		TLS, Metrics, Login, Rights, Speed}
}

// CodeTable lists the exit codes for help texts, a line each.
func CodeTable() string {
	var b strings.Builder
	fmt.Fprintf(&b, "  %3d  %-18s %s\n", 0, "", "all good")
	fmt.Fprintf(&b, "  %3d  %-18s %s\n", 1, "", "the command line or the configuration is wrong")
	for _, s := range Stages() {
		if s.Code != 0 {
			fmt.Fprintf(&b, "  %3d  %-18s %s\n", s.Code, s.ID, s.What)
		}
	}
	fmt.Fprintf(&b, "  %3d  %-18s %s\n", 130, "", "interrupted")
	return b.String()
}
