package check

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

const chartDir = "../helm/pgkeyless"

var gatewayValues, sidecarValues = readmeValues("gateway"), readmeValues("sidecar")

const (
	everything = `
config:
  auth: scram
  auth-file: /etc/pgkeyless/users/userlist.txt
  require-tls: true
  max-connections: 1000
  defaults: {via: "tag:Role=jump", sessions: 8}
  targets:
    orders: {port: 5432}
    reports: {port: 5433, endpoint: reader}
ports:
  - {name: postgres, port: 5432}
  - {name: reports, port: 5433}
httpPort: 9191
imagePullSecrets: [{name: registry}]
serviceAccount:
  name: gateway
  roleArn: arn:aws:iam::111122223333:role/pgkeyless
  annotations: {team: data}
env: [{name: AWS_REGION, value: eu-central-1}]
drain: {acceptSeconds: 30, maxSeconds: 600}
podAnnotations: {note: a}
podLabels: {team: data}
tls: {secretName: pgkeyless-tls}
secrets: [{name: gateway-users, path: users}]
service: {type: LoadBalancer, annotations: {service.beta.kubernetes.io/aws-load-balancer-scheme: internal}}
autoscaling: {enabled: true, connections: 300, cpuPercent: 80}
networkPolicy:
  from: [{ipBlock: {cidr: 10.0.0.0/8}}]
  egress: [{ports: [{protocol: TCP, port: 443}]}]
serviceMonitor: {enabled: true, labels: {release: prometheus}}
nodeSelector: {disktype: ssd}
tolerations: [{key: a, operator: Exists}]
affinity: {nodeAffinity: {}}
priorityClassName: high
`
	nothing = `
config: {auth: cert, client-ca-file: /etc/pgkeyless/ca/ca.crt, targets: {orders: {via: none}}}
secrets: [{name: clients, path: ca}]
serviceAccount: {create: false, name: own}
metrics: {enabled: false}
peers: {enabled: false}
rbac: {create: false}
podDisruptionBudget: {enabled: false}
networkPolicy: {enabled: false}
`
)

// readmeValues are the values that the chart's README shows, by their mode.
func readmeValues(mode string) string {
	page, err := os.ReadFile(chartDir + "/README.md")
	if err != nil {
		panic(err)
	}
	_, block, _ := strings.Cut(string(page), "```yaml\n# "+mode+".yaml\n")
	block, _, ok := strings.Cut(block, "```")
	if !ok {
		panic("the chart's README shows no " + mode + ".yaml")
	}
	return block
}

// render is `helm template pgkeyless CHART --namespace gateway --values VALUES`: the
// manifests, and the notes.
func render(t *testing.T, c *chart.Chart, values string) (manifests, notes string, err error) {
	t.Helper()
	given, err := chartutil.ReadValues([]byte(values))
	if err != nil {
		t.Fatal(err)
	}
	if err := chartutil.ProcessDependencies(c, given); err != nil {
		t.Fatal(err)
	}
	release := chartutil.ReleaseOptions{Name: "pgkeyless", Namespace: "gateway", Revision: 1, IsInstall: true}
	all, err := chartutil.ToRenderValues(c, given, release, chartutil.DefaultCapabilities)
	if err != nil {
		return "", "", err // the schema's
	}
	files, err := engine.Engine{Strict: true}.Render(c, all)
	if err != nil {
		return "", "", err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		switch {
		case strings.HasSuffix(name, "NOTES.txt"):
			notes += files[name]
		case strings.HasSuffix(name, ".yaml"):
			manifests += "---\n" + files[name] + "\n"
		}
	}
	return manifests, notes, nil
}

func loadChart(t *testing.T, dir string) *chart.Chart {
	t.Helper()
	c, err := loader.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func rendered(t *testing.T, values string) (objects, string) {
	t.Helper()
	manifests, notes, err := render(t, loadChart(t, chartDir), values)
	if err != nil {
		t.Fatal(err)
	}
	o, err := decode(manifests)
	if err != nil {
		t.Fatal(err)
	}
	return o, notes
}

func TestChart(t *testing.T) {
	for _, tt := range []struct {
		name, values string
		kinds        map[string]int
	}{
		{"gateway", gatewayValues, map[string]int{"ConfigMap": 1, "ServiceAccount": 1, "Deployment": 1, "Service": 2, "ClusterRoleBinding": 1,
			"PodDisruptionBudget": 1, "NetworkPolicy": 1}},
		{"all on", everything, map[string]int{"ConfigMap": 1, "ServiceAccount": 1, "Deployment": 1, "Service": 3, "PodDisruptionBudget": 1,
			"NetworkPolicy": 1, "HorizontalPodAutoscaler": 1, "ServiceMonitor": 1}},
		{"all off", nothing, map[string]int{"ConfigMap": 1, "Deployment": 1, "Service": 1}},
		{"sidecar", sidecarValues, map[string]int{"ConfigMap": 1, "ServiceAccount": 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o, notes := rendered(t, tt.values)
			if got := o.kinds(); !maps.Equal(got, tt.kinds) {
				t.Errorf("rendered %v, want %v", got, tt.kinds)
			}
			checkFacts(t, o)
			if !strings.Contains(notes, "kubectl -n gateway rollout status deployment/") {
				t.Errorf("the notes do not say what to do next:\n%s", notes)
			}
		})
	}
}

// A value reaches what it is for.
func TestChartValues(t *testing.T) {
	o, _ := rendered(t, everything)
	account := one[*corev1.ServiceAccount](t, o)
	if account.Name != "gateway" || account.Annotations["eks.amazonaws.com/role-arn"] != "arn:aws:iam::111122223333:role/pgkeyless" || account.Annotations["team"] != "data" {
		t.Errorf("service account %s, %v", account.Name, account.Annotations)
	}
	d := one[*appsv1.Deployment](t, o)
	pod := d.Spec.Template.Spec
	cfg := settings(t, o, pod, pgkeylessOf(t, pod))
	if cfg.Run.MinSigtermDelay.Seconds() != 30 || cfg.Run.MaxSigtermDelay.Seconds() != 600 || *pod.TerminationGracePeriodSeconds != 615 {
		t.Errorf("drains %v to %v, and is killed after %d s", cfg.Run.MinSigtermDelay, cfg.Run.MaxSigtermDelay, *pod.TerminationGracePeriodSeconds)
	}
	if len(cfg.Targets) != 2 || cfg.Targets[1].Port != 5433 || cfg.Targets[1].Address != "0.0.0.0" || cfg.Targets[1].Sessions != 8 || cfg.Run.HTTPPort != 9191 {
		t.Errorf("targets %+v, probes at %d", cfg.Targets, cfg.Run.HTTPPort)
	}
	if pod.PriorityClassName != "high" || pod.NodeSelector["disktype"] != "ssd" || len(pod.Tolerations) != 1 || pod.Affinity == nil || pod.ImagePullSecrets[0].Name != "registry" || d.Spec.Template.Labels["team"] != "data" {
		t.Errorf("the pod lacks a value: %+v", pod)
	}
	// With another config the pods are replaced.
	other, _ := rendered(t, strings.Replace(everything, "sessions: 8", "sessions: 9", 1))
	if sum := "checksum/config"; d.Spec.Template.Annotations[sum] == one[*appsv1.Deployment](t, other).Spec.Template.Annotations[sum] {
		t.Error("another config leaves the pods as they are")
	}
}

// Mistakes in values have words that help.
func TestChartRefusesMistakes(t *testing.T) {
	for _, tt := range []struct{ values, want string }{
		{"config: {auth: scram}", "config.targets is empty"},
		{"config: {targets: {orders: {}}}", "config.auth is missing"},
		{"config: {auth: kubernetes, targets: {orders: {}}}", "tls.secretName is missing"},
		{"mode: deamon", "mode"},
		{"replica: 3", "replica"},
		{"config: {targets: {a: {}}, http-port: 1}", "http-port"},
		{"config: {targets: {a: {}}, defaults: {address: localhost}}", "address"},
		{"serviceAccount: {roleArn: shop}", "roleArn"},
		{"ports: []", "ports"},
		{gatewayValues + "autoscaling: {enabled: true, connections: 0}", "autoscaling needs connections or cpuPercent"},
		{gatewayValues + "serviceMonitor: {enabled: true}\nmetrics: {enabled: false}", "serviceMonitor needs metrics.enabled"},
	} {
		if _, _, err := render(t, loadChart(t, chartDir), tt.values); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.values, err, tt.want)
		}
	}
}

// The schema keeps the keys that the chart sets out of `config`: all of them.
func TestSchemaKnowsTheChartsOwnKeys(t *testing.T) {
	for _, values := range []string{gatewayValues, everything, sidecarValues} {
		o, _ := rendered(t, values)
		var file, given struct {
			Config map[string]any `json:"config"`
		}
		if err := yaml.Unmarshal([]byte(one[*corev1.ConfigMap](t, o).Data["pgkeyless.yaml"]), &file.Config); err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal([]byte(values), &given); err != nil {
			t.Fatal(err)
		}
		for key := range file.Config {
			if _, users := given.Config[key]; users || key == "defaults" {
				continue
			}
			with := "mode: sidecar\nconfig: {targets: {a: {via: none}}, " + key + ": x}"
			if _, _, err := render(t, loadChart(t, chartDir), with); err == nil {
				t.Errorf("the chart sets %s, and the schema lets config set it too", key)
			}
		}
	}
}

// A chart of the user's includes the sidecar's templates.
func TestChartAsDependency(t *testing.T) {
	shop := loadChart(t, "testdata/shop")
	shop.AddDependency(loadChart(t, chartDir))
	manifests, _, err := render(t, shop, "")
	if err != nil {
		t.Fatal(err)
	}
	o := mustDecode(t, manifests)
	checkFacts(t, o)
	// The notes show the same.
	_, notes := rendered(t, sidecarValues)
	pod := one[*appsv1.Deployment](t, o).Spec.Template.Spec
	_, snippet, _ := strings.Cut(notes, "of your application:\n")
	snippet, _, _ = strings.Cut(snippet, "\nThe application connects")
	var shown struct {
		Spec corev1.PodSpec `json:"spec"`
	}
	if err := yaml.UnmarshalStrict([]byte(snippet), &shown); err != nil {
		t.Fatalf("%v in the notes:\n%s", err, snippet)
	}
	sameYAML(t, "sidecar", shown.Spec.InitContainers, pod.InitContainers)
	sameYAML(t, "volumes", shown.Spec.Volumes, pod.Volumes)
}

// sameYAML compares two things as people would read them.
func sameYAML(t *testing.T, what string, got, want any) {
	t.Helper()
	g, err := yaml.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	w, err := yaml.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if string(g) != string(w) {
		t.Errorf("%s: got\n%s\nwant\n%s", what, g, w)
	}
}
