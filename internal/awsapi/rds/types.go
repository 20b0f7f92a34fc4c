package rds

// Words of RDS.
const (
	AuthRequired   = "REQUIRED"        // Proxy.IAMAuth
	AuthEnabled    = "ENABLED"         // Proxy.IAMAuth
	SchemeIAM      = "IAM_AUTH"        // Proxy.DefaultAuth
	Custom         = "CUSTOM"          // ClusterEndpoint.Type
	ReadOnly       = "READ_ONLY"       // ProxyEndpoint.Role
	TrackedCluster = "TRACKED_CLUSTER" // ProxyTarget.Type
)

// Instance is one server.
type Instance struct {
	Identifier    string `xml:"DBInstanceIdentifier"`
	ARN           string `xml:"DBInstanceArn"`
	ResourceID    string `xml:"DbiResourceId"`
	Engine        string
	EngineVersion string
	Status        string           `xml:"DBInstanceStatus"`
	Host          string           `xml:"Endpoint>Address"` // "" while it is being created
	Port          int              `xml:"Endpoint>Port"`
	VPC           string           `xml:"DBSubnetGroup>VpcId"`
	Cluster       string           `xml:"DBClusterIdentifier"` // "" outside of Aurora
	IAM           bool             `xml:"IAMDatabaseAuthenticationEnabled"`
	MasterUser    string           `xml:"MasterUsername"`
	Secret        MasterUserSecret `xml:"MasterUserSecret"`
}

// Cluster is a cluster of Aurora, or a Multi-AZ one.
type Cluster struct {
	Identifier    string `xml:"DBClusterIdentifier"`
	ARN           string `xml:"DBClusterArn"`
	ResourceID    string `xml:"DbClusterResourceId"`
	Engine        string
	EngineVersion string
	EngineMode    string
	Status        string
	Endpoint      string
	Reader        string `xml:"ReaderEndpoint"`
	Port          int
	Members       []string         `xml:"DBClusterMembers>DBClusterMember>DBInstanceIdentifier"`
	IAM           bool             `xml:"IAMDatabaseAuthenticationEnabled"`
	MasterUser    string           `xml:"MasterUsername"`
	Secret        MasterUserSecret `xml:"MasterUserSecret"`
	Gateway       bool             `xml:"InternetAccessGatewayEnabled"`
	InVPC         bool             `xml:"VPCNetworkingEnabled"`
	// MinCapacity is nil unless the cluster is Serverless v2. One of 0 pauses.
	MinCapacity *float64 `xml:"ServerlessV2ScalingConfiguration>MinCapacity"`
	PausesAfter int      `xml:"ServerlessV2ScalingConfiguration>SecondsUntilAutoPause"` // in seconds; 0 where RDS does not say
}

// MasterUserSecret is where RDS keeps the master user's password. It is zero where RDS
// does not keep it.
type MasterUserSecret struct {
	ARN    string `xml:"SecretArn"`
	Status string `xml:"SecretStatus"`
	Key    string `xml:"KmsKeyId"`
}

// Endpoints chooses endpoints by their own name, or by the cluster or proxy that they are
// of. The zero value chooses all.
type Endpoints struct{ Name, Of string }

// ClusterEndpoint is an endpoint of a cluster.
type ClusterEndpoint struct {
	Name    string `xml:"DBClusterEndpointIdentifier"` // "" unless it is custom
	Cluster string `xml:"DBClusterIdentifier"`
	Type    string `xml:"EndpointType"`
	Host    string `xml:"Endpoint"`
}

// Proxy is an RDS Proxy.
type Proxy struct {
	Name        string `xml:"DBProxyName"`
	ARN         string `xml:"DBProxyArn"`
	Family      string `xml:"EngineFamily"`
	Status      string
	Host        string   `xml:"Endpoint"`
	VPC         string   `xml:"VpcId"`
	Role        string   `xml:"RoleArn"`
	RequireTLS  bool     // of clients
	IdleTimeout int      `xml:"IdleClientTimeout"` // in seconds
	DefaultAuth string   `xml:"DefaultAuthScheme"`
	IAMAuth     []string `xml:"Auth>member>IAMAuth"` // of each secret that it knows
}

// ProxyEndpoint is an endpoint of a proxy.
type ProxyEndpoint struct {
	Name    string `xml:"DBProxyEndpointName"`
	ARN     string `xml:"DBProxyEndpointArn"`
	Proxy   string `xml:"DBProxyName"`
	Host    string `xml:"Endpoint"`
	Role    string `xml:"TargetRole"`
	Default bool   `xml:"IsDefault"`
}

// ProxyTarget is a database that a proxy connects to.
type ProxyTarget struct {
	Name        string `xml:"RdsResourceId"` // the identifier of the instance or cluster
	Type        string
	State       string `xml:"TargetHealth>State"`
	Reason      string `xml:"TargetHealth>Reason"`
	Description string `xml:"TargetHealth>Description"`
}

// GlobalCluster is a cluster of clusters in several regions.
type GlobalCluster struct {
	Identifier    string `xml:"GlobalClusterIdentifier"`
	ARN           string `xml:"GlobalClusterArn"`
	Engine        string
	EngineVersion string
	Status        string
	Endpoint      string         // of the writer
	Members       []GlobalMember `xml:"GlobalClusterMembers>GlobalClusterMember"`
}

// GlobalMember is a cluster of a global one.
type GlobalMember struct {
	ARN    string `xml:"DBClusterArn"`
	Writer bool   `xml:"IsWriter"`
}

// Deployment is a blue/green deployment.
type Deployment struct {
	Source, Target string // ARNs; Target is "" while that is being created
	Members        []Pair `xml:"SwitchoverDetails>member"`
}

// Pair is a database of a deployment's blue environment and its copy in the green one, by
// their ARNs.
type Pair struct {
	Source string `xml:"SourceMember"`
	Target string `xml:"TargetMember"`
}
