package check

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/loader"
	compose "github.com/compose-spec/compose-go/v2/types"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclparse"

	"github.com/pgkeyless/pgkeyless/internal/config"
)

// taskDefinition is what of RegisterTaskDefinition's input is in use. The SDK's own type
// has no JSON names, and takes longer to compile than all tests take to run.
//
// Source: docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RegisterTaskDefinition.html.
type taskDefinition struct {
	Family                        string
	NetworkMode                   string
	RequiresCompatibilities       []string
	CPU                           string `json:"cpu"`
	Memory                        string
	TaskRoleArn, ExecutionRoleArn string
	Volumes                       []struct{ Name string }
	ContainerDefinitions          []ecsContainer
}

type ecsContainer struct {
	Name, Image            string
	Essential              *bool
	Command                []string
	Environment            []struct{ Name, Value string }
	Secrets                []struct{ Name, ValueFrom string }
	User                   string
	ReadonlyRootFilesystem bool
	LinuxParameters        struct{ Capabilities struct{ Drop []string } }
	DependsOn              []struct{ ContainerName, Condition string }
	PortMappings           []struct {
		Name          string
		ContainerPort int
		Protocol      string
	}
	MountPoints []struct {
		SourceVolume, ContainerPath string
		ReadOnly                    bool
	}
	HealthCheck *struct {
		Command                                 []string
		Interval, Timeout, Retries, StartPeriod int
	}
	StopTimeout      int // seconds
	LogConfiguration struct {
		LogDriver string
		Options   map[string]string
	}
}

// ecsService is the same for CreateService.
type ecsService struct {
	Cluster, ServiceName, TaskDefinition, LaunchType string
	DesiredCount, HealthCheckGracePeriodSeconds      int
	AvailabilityZoneRebalancing                      string
	DeploymentConfiguration                          struct {
		MinimumHealthyPercent, MaximumPercent int
		DeploymentCircuitBreaker              struct{ Enable, Rollback bool }
	}
	NetworkConfiguration struct {
		AwsvpcConfiguration struct {
			Subnets, SecurityGroups []string
			AssignPublicIp          string
		}
	}
	LoadBalancers []struct {
		TargetGroupArn, ContainerName string
		ContainerPort                 int
	}
}

// readJSON is strict: unknown fields, and names in another case, are errors.
func readJSON(t *testing.T, path string, into any) {
	t.Helper()
	text := read(t, path)
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	var raw any
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		t.Fatal(err)
	}
	camelCase(t, path, raw, reflect.TypeOf(into).Elem())
}

// camelCase holds the names of fields, but not those of maps, to ECS's spelling:
// encoding/json would take them in any case.
func camelCase(t *testing.T, path string, raw any, of reflect.Type) {
	t.Helper()
	if of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	switch raw := raw.(type) {
	case []any:
		for _, r := range raw {
			camelCase(t, path, r, of.Elem())
		}
	case map[string]any:
		if of.Kind() != reflect.Struct {
			return
		}
		for name, value := range raw {
			field, ok := of.FieldByName(strings.ToUpper(name[:1]) + name[1:])
			if !ok {
				field, ok = of.FieldByName(strings.ToUpper(name))
			}
			if !ok || name[:1] == strings.ToUpper(name[:1]) {
				t.Errorf("%s: ECS has no field %s", path, name)
				continue
			}
			camelCase(t, path, value, field.Type)
		}
	}
}

// served is what pgkeyless makes of its arguments.
func served(t *testing.T, args []string, environ ...string) config.Config {
	t.Helper()
	in := arguments(t, args)
	in.Environ = environ
	cfg, err := config.Load(in)
	if err != nil {
		t.Fatalf("pgkeyless would not start: %v", err)
	}
	return cfg
}

func TestECSTasks(t *testing.T) {
	for _, name := range []string{"sidecar", "job", "gateway"} {
		t.Run(name, func(t *testing.T) {
			var task taskDefinition
			readJSON(t, "../ecs/"+name+".json", &task)
			byName := map[string]ecsContainer{}
			for _, c := range task.ContainerDefinitions {
				byName[c.Name] = c
				for _, m := range c.MountPoints {
					if !slices.Contains(task.Volumes, struct{ Name string }{m.SourceVolume}) {
						t.Errorf("%s mounts %s, and there is no such volume", c.Name, m.SourceVolume)
					}
				}
			}
			p := byName["pgkeyless"]
			if p.Image != image || p.User != "65532:65532" || !p.ReadonlyRootFilesystem || !slices.Equal(p.LinuxParameters.Capabilities.Drop, []string{"ALL"}) {
				t.Errorf("%+v", p)
			}
			run := served(t, p.Command).Run
			if stop := time.Duration(p.StopTimeout) * time.Second; stop < run.MaxSigtermDelay+10*time.Second || stop > 2*time.Minute {
				t.Errorf("ECS kills after %v, of at most 2 minutes, and pgkeyless drains for %v", stop, run.MaxSigtermDelay)
			}
			if !run.HealthCheck || run.HTTPPort != 9090 || !slices.Equal(p.HealthCheck.Command, []string{"CMD", "/pgkeyless", "wait", "--max", "2s", "--http-port", "9090"}) {
				t.Errorf("health check %v, and probes at %d", p.HealthCheck.Command, run.HTTPPort)
			}
			if p.HealthCheck.Timeout <= 2 {
				t.Errorf("ECS gives the health check %d s, which waits 2 s itself", p.HealthCheck.Timeout)
			}
			for _, c := range task.ContainerDefinitions {
				waits := len(c.DependsOn) == 1 && c.DependsOn[0].ContainerName == "pgkeyless" && c.DependsOn[0].Condition == "HEALTHY"
				if isApp := c.Name == "app" || c.Name == "report"; isApp != waits {
					t.Errorf("%s waits for pgkeyless: %v", c.Name, waits)
				}
			}
			if job := name == "job"; *p.Essential == job {
				t.Errorf("essential: %v", *p.Essential) // a job's task ends with its own container
			}
			if name != "gateway" {
				return
			}
			var service ecsService
			readJSON(t, "../ecs/gateway-service.json", &service)
			lb := service.LoadBalancers[0]
			if service.TaskDefinition != task.Family || lb.ContainerName != p.Name || lb.ContainerPort != p.PortMappings[0].ContainerPort || lb.ContainerPort != served(t, p.Command).Targets[0].Port {
				t.Errorf("the load balancer leads to %+v of %s", lb, service.TaskDefinition)
			}
			if !run.ProxyProtocol || !run.RequireTLS || run.Auth != config.AuthSCRAM {
				t.Errorf("behind a load balancer: %+v", run)
			}
			if p.DependsOn[0].ContainerName != "files" || p.DependsOn[0].Condition != "SUCCESS" {
				t.Errorf("pgkeyless does not wait for its files: %+v", p.DependsOn)
			}
			dir := t.TempDir()
			runFiles(t, byName["files"], dir)
			for _, path := range []string{run.TLSCert, run.TLSKey, run.AuthFile} {
				info, err := os.Stat(filepath.Join(dir, filepath.Base(path)))
				if err != nil || filepath.Dir(path) != "/files" || info.Mode().Perm() != 0o400 || info.Size() == 0 {
					t.Errorf("%s: %v, %v", path, info, err)
				}
			}
		})
	}
}

// runFiles runs the script of the container that writes the gateway's files, into dir and
// as the user of the test.
func runFiles(t *testing.T, c ecsContainer, dir string) {
	t.Helper()
	script := strings.NewReplacer("/files/", dir+"/", "65532:65532", fmt.Sprintf("%d:%d", os.Getuid(), os.Getgid())).Replace(c.Command[2])
	cmd := exec.CommandContext(t.Context(), c.Command[0], c.Command[1], script)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	for _, secret := range c.Secrets {
		cmd.Env = append(cmd.Env, secret.Name+"=two\nlines")
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func TestCompose(t *testing.T) {
	const path = "../compose/docker-compose.yaml"
	// The loader checks against the schema of Compose, which knows every key.
	project, err := loader.LoadWithContext(t.Context(), compose.ConfigDetails{
		WorkingDir:  t.TempDir(),
		ConfigFiles: []compose.ConfigFile{{Filename: path, Content: []byte(read(t, path))}},
		Environment: compose.Mapping{"HOME": "/home/ada"},
	})
	if err != nil {
		t.Fatal(err)
	}
	p, app := project.Services["pgkeyless"], project.Services["app"]
	run := served(t, p.Command).Run
	if p.Image != image || !p.ReadOnly || !slices.Equal(p.CapDrop, []string{"ALL"}) || p.User != "1000:1000" {
		t.Errorf("%+v", p)
	}
	if time.Duration(*p.StopGracePeriod) < run.MaxSigtermDelay+10*time.Second {
		t.Errorf("killed after %v, and drains for %v", *p.StopGracePeriod, run.MaxSigtermDelay)
	}
	if app.DependsOn["pgkeyless"].Condition != compose.ServiceConditionHealthy || app.NetworkMode != "service:pgkeyless" {
		t.Errorf("the app waits for %+v, in the network %s", app.DependsOn, app.NetworkMode)
	}
	if dir := *p.Environment["XDG_RUNTIME_DIR"]; !strings.HasPrefix(p.Tmpfs[0], dir+":") {
		t.Errorf("`pgkeyless wait` needs %s to be writable: %v", dir, p.Tmpfs)
	}
	if _, err := loader.LoadWithContext(t.Context(), compose.ConfigDetails{
		ConfigFiles: []compose.ConfigFile{{Filename: path, Content: []byte(strings.Replace(read(t, path), "cap_drop", "drop_cap", 1))}},
		Environment: compose.Mapping{"HOME": "/home/ada"},
	}); err == nil {
		t.Error("an unknown key is no error")
	}
}

// What of Nomad's job specification is in use; unknown blocks and attributes are errors.
// Nomad's own parser would bring all of Nomad.
//
// Source: developer.hashicorp.com/nomad/docs/job-specification.
type (
	nomadFile struct {
		Job struct {
			Name        string       `hcl:",label"`
			Datacenters []string     `hcl:"datacenters"`
			Type        string       `hcl:"type"`
			Groups      []nomadGroup `hcl:"group,block"`
		} `hcl:"job,block"`
	}
	nomadGroup struct {
		Name    string `hcl:",label"`
		Count   int    `hcl:"count"`
		Network struct {
			Mode  string `hcl:"mode"`
			Ports []struct {
				Name string `hcl:",label"`
				To   int    `hcl:"to"`
			} `hcl:"port,block"`
		} `hcl:"network,block"`
		Service struct {
			Name     string `hcl:"name"`
			Port     string `hcl:"port"`
			Provider string `hcl:"provider"`
			Check    struct {
				Name     string `hcl:"name"`
				Type     string `hcl:"type"`
				Path     string `hcl:"path"`
				Interval string `hcl:"interval"`
				Timeout  string `hcl:"timeout"`
			} `hcl:"check,block"`
		} `hcl:"service,block"`
		Tasks []nomadTask `hcl:"task,block"`
	}
	nomadTask struct {
		Name      string `hcl:",label"`
		Driver    string `hcl:"driver"`
		User      string `hcl:"user,optional"`
		Lifecycle *struct {
			Hook    string `hcl:"hook"`
			Sidecar bool   `hcl:"sidecar"`
		} `hcl:"lifecycle,block"`
		Config struct { // of the driver docker
			Image          string   `hcl:"image"`
			Args           []string `hcl:"args,optional"`
			ReadonlyRootfs bool     `hcl:"readonly_rootfs,optional"`
			CapDrop        []string `hcl:"cap_drop,optional"`
			SecurityOpt    []string `hcl:"security_opt,optional"`
		} `hcl:"config,block"`
		Env *struct {
			Region      string `hcl:"AWS_REGION,optional"`
			DatabaseURL string `hcl:"DATABASE_URL,optional"`
		} `hcl:"env,block"`
		KillSignal  string `hcl:"kill_signal,optional"`
		KillTimeout string `hcl:"kill_timeout,optional"`
		Resources   struct {
			CPU    int `hcl:"cpu"`
			Memory int `hcl:"memory"`
		} `hcl:"resources,block"`
	}
)

func TestNomad(t *testing.T) {
	file, diagnostics := hclparse.NewParser().ParseHCLFile("../nomad/shop.nomad.hcl")
	if diagnostics.HasErrors() {
		t.Fatal(diagnostics)
	}
	var spec nomadFile
	if diagnostics := gohcl.DecodeBody(file.Body, nil, &spec); diagnostics.HasErrors() {
		t.Fatal(diagnostics)
	}
	group := spec.Job.Groups[0]
	tasks := map[string]nomadTask{}
	for _, task := range group.Tasks {
		tasks[task.Name] = task
	}
	p, ready := tasks["pgkeyless"], tasks["ready"]
	run := served(t, p.Config.Args).Run
	for _, task := range []nomadTask{p, ready} {
		if task.Config.Image != image || task.User != "65532:65532" || !task.Config.ReadonlyRootfs || !slices.Equal(task.Config.CapDrop, []string{"all"}) {
			t.Errorf("%+v", task)
		}
	}
	if kill, err := time.ParseDuration(p.KillTimeout); err != nil || kill < run.MaxSigtermDelay+10*time.Second {
		t.Errorf("killed after %v, and drains for %v", kill, run.MaxSigtermDelay)
	}
	if p.Lifecycle.Hook != "prestart" || !p.Lifecycle.Sidecar || ready.Lifecycle.Hook != "prestart" || ready.Lifecycle.Sidecar || tasks["app"].Lifecycle != nil {
		t.Error("the application does not start after pgkeyless is ready")
	}
	if !slices.Contains(ready.Config.Args, strconv.Itoa(run.HTTPPort)) || group.Network.Ports[0].To != run.HTTPPort || group.Service.Port != group.Network.Ports[0].Name ||
		group.Service.Check.Path != "/readiness" || run.HTTPAddress != "0.0.0.0" {
		t.Errorf("probes at %s:%d, %+v, %+v", run.HTTPAddress, run.HTTPPort, group.Network, group.Service)
	}
}

// Every file of deploy that names the image names the same one.
func TestOneImage(t *testing.T) {
	named := 0
	err := filepath.WalkDir("..", func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasPrefix(path, "../check/") {
			return err
		}
		for line := range strings.Lines(read(t, path)) {
			_, tag, ok := strings.Cut(line, "ghcr.io/pgkeyless/pgkeyless:")
			if !ok {
				continue
			}
			named++
			if _, want, _ := strings.Cut(image, ":"); !strings.HasPrefix(tag, want) {
				t.Errorf("%s: %s", path, fmt.Sprintf("image %q, want %s", strings.TrimSpace(line), image))
			}
		}
		return nil
	})
	if err != nil || named < 8 {
		t.Errorf("%d names, %v", named, err)
	}
}
