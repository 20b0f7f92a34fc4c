package check

import (
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"github.com/pgkeyless/pgkeyless/internal/config"
)

// kustomized is `kubectl kustomize DIR`.
func kustomized(t *testing.T, dir string) objects {
	t.Helper()
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		t.Fatal(err)
	}
	manifests, err := resources.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return mustDecode(t, string(manifests))
}

func TestKustomize(t *testing.T) {
	for _, dir := range []string{"../kustomize/base", "../kustomize/overlays/production"} {
		t.Run(dir, func(t *testing.T) {
			o := kustomized(t, dir)
			checkFacts(t, o)
			if got := o.kinds(); got["Deployment"] != 1 || got["Service"] != 2 || got["ConfigMap"] != 1 || got["NetworkPolicy"] != 1 || got["PodDisruptionBudget"] != 1 {
				t.Errorf("kinds %v", got)
			}
		})
	}
	o := kustomized(t, "../kustomize/overlays/production")
	if d := one[*appsv1.Deployment](t, o); d.Namespace != "gateway" || *d.Spec.Replicas != 3 {
		t.Errorf("namespace %s, %d replicas", d.Namespace, *d.Spec.Replicas)
	}
	if a := one[*corev1.ServiceAccount](t, o); a.Annotations["eks.amazonaws.com/role-arn"] == "" {
		t.Error("the service account has no role")
	}
}

// The base is what the chart renders: the two do not drift apart, and who has tried one
// has tried the other. Labels differ, and so does where volumes and probes stand in the
// text.
func TestKustomizeBaseIsTheChart(t *testing.T) {
	chart, _ := rendered(t, gatewayValues)
	base := kustomized(t, "../kustomize/base")
	pod := func(o objects) corev1.PodSpec {
		spec := one[*appsv1.Deployment](t, o).Spec.Template.Spec
		spec.TopologySpreadConstraints = nil // by labels, which differ
		for i := range spec.Volumes {
			if c := spec.Volumes[i].ConfigMap; c != nil {
				c.Name = "pgkeyless" // kustomize appends a checksum
			}
		}
		for i := range spec.Containers {
			env := spec.Containers[i].Env
			slices.SortFunc(env, func(a, b corev1.EnvVar) int { return strings.Compare(a.Name, b.Name) })
		}
		return spec
	}
	sameYAML(t, "pod", pod(base), pod(chart))
	file := func(o objects) (m map[string]any) {
		if err := yaml.Unmarshal([]byte(one[*corev1.ConfigMap](t, o).Data["pgkeyless.yaml"]), &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	sameYAML(t, "pgkeyless.yaml", file(base), file(chart))
	rules := func(o objects) []networkingv1.NetworkPolicyIngressRule {
		ingress := one[*networkingv1.NetworkPolicy](t, o).Spec.Ingress
		for _, rule := range ingress {
			for i := range rule.From {
				if p := rule.From[i].PodSelector; p != nil {
					delete(p.MatchLabels, "app.kubernetes.io/instance") // which the chart adds
				}
			}
		}
		return ingress
	}
	sameYAML(t, "NetworkPolicy", rules(base), rules(chart))
}

func TestPlainManifests(t *testing.T) {
	sidecar := mustDecode(t, read(t, "../kubernetes/sidecar.yaml"))
	checkFacts(t, sidecar)
	pod := one[*appsv1.Deployment](t, sidecar).Spec.Template.Spec
	if names := containers(pod.InitContainers); !slices.Equal(names, []string{"pgkeyless", "migrate"}) {
		t.Errorf("the init containers are %v: what uses the database comes after pgkeyless", names)
	}

	job := mustDecode(t, read(t, "../kubernetes/job.yaml"))
	checkFacts(t, job)
	report := one[*batchv1.Job](t, job).Spec.Template.Spec
	if report.RestartPolicy != corev1.RestartPolicyNever || report.ServiceAccountName != one[*corev1.ServiceAccount](t, sidecar).Name {
		t.Errorf("the Job restarts %s, as %s", report.RestartPolicy, report.ServiceAccountName)
	}

	// The application finds pgkeyless where it listens.
	for _, p := range []corev1.PodSpec{pod, report} {
		port := settings(t, sidecar, p, pgkeylessOf(t, p)).Targets[0].Port
		for _, c := range append(slices.Clone(p.InitContainers), p.Containers...) {
			for _, e := range c.Env {
				if e.Name == "DATABASE_URL" && (port != 5432 || !strings.Contains(e.Value, "@localhost:5432/")) {
					t.Errorf("%s connects to %s, and pgkeyless listens on %d", c.Name, e.Value, port)
				}
			}
		}
	}
}

// The sidecar in plain YAML is the chart's, but for the config file.
func TestPlainSidecarIsTheCharts(t *testing.T) {
	shop := loadChart(t, "testdata/shop")
	shop.AddDependency(loadChart(t, chartDir))
	manifests, _, err := render(t, shop, "")
	if err != nil {
		t.Fatal(err)
	}
	chart, plain := mustDecode(t, manifests), mustDecode(t, read(t, "../kubernetes/sidecar.yaml"))
	container := func(o objects) corev1.Container {
		c := pgkeylessOf(t, one[*appsv1.Deployment](t, o).Spec.Template.Spec)
		c.Args, c.ImagePullPolicy = nil, ""
		c.VolumeMounts = slices.DeleteFunc(slices.Clone(c.VolumeMounts), func(m corev1.VolumeMount) bool { return m.Name == "pgkeyless-config" })
		c.Env = slices.Clone(c.Env)
		slices.SortFunc(c.Env, func(a, b corev1.EnvVar) int { return strings.Compare(a.Name, b.Name) })
		return c
	}
	sameYAML(t, "container", container(plain), container(chart))
	run := func(o objects) config.Run {
		pod := one[*appsv1.Deployment](t, o).Spec.Template.Spec
		r := settings(t, o, pod, pgkeylessOf(t, pod)).Run
		r.ConfigFile, r.MaxSigtermDelay = "", 0 // the chart's default is longer
		return r
	}
	sameYAML(t, "settings", run(plain), run(chart))
}

func containers(all []corev1.Container) (names []string) {
	for _, c := range all {
		names = append(names, c.Name)
	}
	return names
}
