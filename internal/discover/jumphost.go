package discover

// JumpHost is one machine or container whose SSM agent may carry sessions.
type JumpHost struct {
	Target string // as StartSession takes it: i-…, mi-…, ecs:CLUSTER_TASK_RUNTIMEID
	// Name is the host name, or a container's name; empty when not told.
	Name   string
	IP     string // private address; empty when not told
	Online bool
	// Status is SSM's or ECS's own word: "Online", "ConnectionLost", "RUNNING".
	Status   string
	Agent    string // version of the SSM agent; empty for containers
	Platform string // "Amazon Linux 2023", "FARGATE"
	Region   string
}
