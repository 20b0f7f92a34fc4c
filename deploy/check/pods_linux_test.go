package check

import (
	"cmp"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/pgkeyless/pgkeyless/internal/config"
)

const (
	image    = "ghcr.io/pgkeyless/pgkeyless:0.1.0"
	imageUID = 65532
)

// checkFacts looks at what strict types cannot know.
func checkFacts(t *testing.T, o objects) {
	t.Helper()
	for _, pod := range o.templates() {
		checkPod(t, o, pod)
	}
	for _, d := range of[*appsv1.Deployment](o) {
		matches(t, "Deployment "+d.Name, d.Spec.Selector, d.Spec.Template.Labels)
		checkAround(t, o, d)
	}
}

// checkPod looks at one pod with a pgkeyless in it.
func checkPod(t *testing.T, o objects, pod corev1.PodTemplateSpec) {
	t.Helper()
	for _, c := range append(slices.Clone(pod.Spec.InitContainers), pod.Spec.Containers...) {
		checkContainer(t, pod.Spec, c)
		if c.Name == "pgkeyless" {
			checkPgkeyless(t, o, pod.Spec, c)
		}
	}
	p := pgkeylessOf(t, pod.Spec)
	sidecar := slices.ContainsFunc(pod.Spec.InitContainers, func(c corev1.Container) bool { return c.Name == "pgkeyless" })
	if always := p.RestartPolicy != nil && *p.RestartPolicy == corev1.ContainerRestartPolicyAlways; always != sidecar {
		t.Errorf("pgkeyless is an init container: %v; its restartPolicy is Always: %v", sidecar, always)
	}
	if accounts := of[*corev1.ServiceAccount](o); len(accounts) > 0 && accounts[0].Name != pod.Spec.ServiceAccountName {
		t.Errorf("the pod's service account is %q, and there is %q", pod.Spec.ServiceAccountName, accounts[0].Name)
	}
}

// checkContainer holds every container to the restricted Pod Security Standard, and to a
// read-only root.
//
// Source: kubernetes.io/docs/concepts/security/pod-security-standards/#restricted.
func checkContainer(t *testing.T, pod corev1.PodSpec, c corev1.Container) {
	t.Helper()
	s := c.SecurityContext
	switch {
	case s == nil:
		t.Errorf("container %s has no security context", c.Name)
	case s.RunAsNonRoot == nil || !*s.RunAsNonRoot, s.RunAsUser == nil || *s.RunAsUser == 0,
		s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem,
		s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation,
		s.Capabilities == nil || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) || len(s.Capabilities.Add) > 0,
		s.SeccompProfile == nil || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault,
		s.Privileged != nil && *s.Privileged, pod.HostNetwork, pod.HostPID, pod.HostIPC:
		t.Errorf("container %s may do too much: %+v", c.Name, s)
	}
	for _, v := range pod.Volumes {
		if v.EmptyDir != nil && v.EmptyDir.Medium != corev1.StorageMediumMemory {
			t.Errorf("volume %s has no sticky bit: anybody could replace what pgkeyless puts there", v.Name)
		}
	}
	for _, m := range c.VolumeMounts {
		if !slices.ContainsFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name }) {
			t.Errorf("container %s mounts %s, and there is no such volume", c.Name, m.Name)
		}
	}
}

// checkPgkeyless compares the container with its own settings.
func checkPgkeyless(t *testing.T, o objects, pod corev1.PodSpec, c corev1.Container) {
	t.Helper()
	if c.Image != image {
		t.Errorf("image %s, want %s", c.Image, image)
	}
	if *c.SecurityContext.RunAsUser != imageUID || *c.SecurityContext.RunAsGroup != imageUID {
		t.Errorf("runs as %d:%d", *c.SecurityContext.RunAsUser, *c.SecurityContext.RunAsGroup)
	}
	if c.Resources.Requests.Memory().IsZero() {
		t.Error("no memory is requested")
	}
	cfg := settings(t, o, pod, c)
	if !cfg.Run.HealthCheck || cfg.Run.HTTPAddress != "0.0.0.0" {
		t.Errorf("the kubelet cannot ask the probes: %v at %q", cfg.Run.HealthCheck, cfg.Run.HTTPAddress)
	}
	ports := map[string]int32{}
	for _, p := range c.Ports {
		ports[p.Name] = p.ContainerPort
	}
	if int(ports["probes"]) != cfg.Run.HTTPPort {
		t.Errorf("the port of the probes is %d, and pgkeyless serves them at %d", ports["probes"], cfg.Run.HTTPPort)
	}
	for _, target := range cfg.Targets {
		if !slices.Contains(slices.Collect(maps.Values(ports)), int32(target.Port)) {
			t.Errorf("target %s listens on %d, which is no port of the container: %v", target.Name, target.Port, ports)
		}
	}
	probes := map[string]*corev1.Probe{"/startup": c.StartupProbe, "/readiness": c.ReadinessProbe, "/liveness": c.LivenessProbe}
	for path, probe := range probes {
		if probe != nil && (probe.HTTPGet == nil || probe.HTTPGet.Path != path || probe.HTTPGet.Port.String() != "probes") {
			t.Errorf("the probe for %s is %+v", path, probe.HTTPGet)
		}
	}
	if c.StartupProbe == nil {
		t.Error("no startup probe: the next container would not wait")
	}
	if c.RestartPolicy == nil && (c.ReadinessProbe == nil || c.LivenessProbe == nil) {
		t.Error("a gateway needs readiness and liveness")
	}
	// What Kubernetes gives if nothing else is said.
	grace := 30 * time.Second
	if pod.TerminationGracePeriodSeconds != nil {
		grace = time.Duration(*pod.TerminationGracePeriodSeconds) * time.Second
	}
	if margin := grace - cfg.Run.MaxSigtermDelay; margin < 10*time.Second {
		t.Errorf("the pod is killed after %v, and pgkeyless drains for %v", grace, cfg.Run.MaxSigtermDelay)
	}
	if !cfg.Run.ExitZeroOnSigterm {
		t.Error("the pod would fail when it is stopped: exit-zero-on-sigterm is off")
	}
	if cfg.Run.Peers != "" {
		headless := slices.ContainsFunc(of[*corev1.Service](o), func(s *corev1.Service) bool {
			return s.Name == cfg.Run.Peers && s.Spec.ClusterIP == corev1.ClusterIPNone && s.Spec.PublishNotReadyAddresses
		})
		if !headless {
			t.Errorf("peers is %q, which is no headless Service that lists draining pods", cfg.Run.Peers)
		}
	}
	for _, file := range []string{cfg.Run.TLSCert, cfg.Run.TLSKey, cfg.Run.AuthFile, cfg.Run.ClientCAFile} {
		mounted := slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return strings.HasPrefix(file, m.MountPath+"/") })
		if file != "" && !mounted {
			t.Errorf("%s is on no volume", file)
		}
	}
	asks := cfg.Run.Auth == config.AuthKubernetes && cfg.Run.Kubernetes.Issuer == ""
	has := pod.AutomountServiceAccountToken != nil && *pod.AutomountServiceAccountToken
	if c.RestartPolicy == nil && asks != has {
		t.Errorf("pgkeyless reviews tokens: %v; its pod has a token for that: %v", asks, has)
	}
	bound := slices.ContainsFunc(of[*rbacv1.ClusterRoleBinding](o), func(b *rbacv1.ClusterRoleBinding) bool {
		return b.RoleRef.Name == "system:auth-delegator" && len(b.Subjects) == 1 && b.Subjects[0].Name == pod.ServiceAccountName && b.Subjects[0].Namespace != ""
	})
	if bound != asks {
		t.Errorf("pgkeyless reviews tokens: %v; its service account may: %v", asks, bound)
	}
}

// settings are what pgkeyless makes of the container's arguments, and of the config file
// of its ConfigMap.
func settings(t *testing.T, o objects, pod corev1.PodSpec, c corev1.Container) config.Config {
	t.Helper()
	in := arguments(t, c.Args)
	for _, e := range c.Env {
		in.Environ = append(in.Environ, e.Name+"="+e.Value)
	}
	if path := in.Flags["config-file"]; path != "" {
		in.Flags["config-file"] = configFile(t, o, pod, c, path)
	}
	cfg, err := config.Load(in)
	if err != nil {
		t.Fatalf("pgkeyless would not start: %v", err)
	}
	return cfg
}

// arguments are those of `pgkeyless serve`, with values after an equals sign.
func arguments(t *testing.T, args []string) config.Input {
	t.Helper()
	in := config.Input{Flags: map[string]string{}}
	for _, arg := range args {
		flag, isFlag := strings.CutPrefix(arg, "--")
		name, value, given := strings.Cut(flag, "=")
		switch {
		case !isFlag:
			in.Targets = append(in.Targets, arg)
		case config.Canonical(name) != name:
			t.Errorf("pgkeyless has no flag --%s", name)
		case given:
			in.Flags[name] = value
		default:
			in.Flags[name] = "true"
		}
	}
	return in
}

// configFile is a file with what the container finds at path.
func configFile(t *testing.T, o objects, pod corev1.PodSpec, c corev1.Container, path string) string {
	t.Helper()
	for _, m := range c.VolumeMounts {
		for _, v := range pod.Volumes {
			if v.Name != m.Name || m.MountPath != filepath.Dir(path) || v.ConfigMap == nil {
				continue
			}
			for _, cm := range of[*corev1.ConfigMap](o) {
				if text, ok := cm.Data[filepath.Base(path)]; ok && cm.Name == v.ConfigMap.Name {
					file := filepath.Join(t.TempDir(), filepath.Base(path))
					if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
						t.Fatal(err)
					}
					return file
				}
			}
		}
	}
	t.Fatalf("no ConfigMap has %s", path)
	return ""
}

// checkAround compares a gateway's Deployment with what selects it.
func checkAround(t *testing.T, o objects, d *appsv1.Deployment) {
	t.Helper()
	pod := d.Spec.Template
	names := map[string]int32{}
	for _, p := range pgkeylessOf(t, pod.Spec).Ports {
		names[p.Name] = p.ContainerPort
	}
	for _, s := range of[*corev1.Service](o) {
		matches(t, "Service "+s.Name, &metav1.LabelSelector{MatchLabels: s.Spec.Selector}, pod.Labels)
		for _, p := range s.Spec.Ports {
			if names[p.TargetPort.StrVal] != p.Port {
				t.Errorf("Service %s: port %d leads to %s, and the container has %v", s.Name, p.Port, p.TargetPort.String(), names)
			}
		}
	}
	for _, b := range of[*policyv1.PodDisruptionBudget](o) {
		matches(t, "PodDisruptionBudget", b.Spec.Selector, pod.Labels)
	}
	for _, h := range of[*autoscalingv2.HorizontalPodAutoscaler](o) {
		if to := h.Spec.ScaleTargetRef; to.Name != d.Name || to.Kind != "Deployment" || to.APIVersion != "apps/v1" || d.Spec.Replicas != nil || len(h.Spec.Metrics) == 0 {
			t.Errorf("the autoscaler scales %+v by %d metrics, and the Deployment %s has replicas: %v", to, len(h.Spec.Metrics), d.Name, d.Spec.Replicas != nil)
		}
	}
	for _, n := range of[*networkingv1.NetworkPolicy](o) {
		matches(t, "NetworkPolicy", &n.Spec.PodSelector, pod.Labels)
		open := map[string]bool{}
		for _, rule := range n.Spec.Ingress {
			for _, p := range rule.Ports {
				if names[p.Port.StrVal] == 0 {
					t.Errorf("NetworkPolicy opens port %s, which the container does not have", p.Port.String())
				}
				open[p.Port.StrVal] = true
			}
		}
		for name := range names {
			if name != "probes" && !open[name] {
				t.Errorf("NetworkPolicy does not open port %s", name)
			}
		}
		checkAdmitted(t, n, settings(t, o, pod.Spec, pgkeylessOf(t, pod.Spec)).Run.Kubernetes.Accounts)
		if len(o.monitors) > 0 && !open["probes"] {
			t.Error("NetworkPolicy keeps Prometheus out")
		}
	}
	for _, m := range o.monitors {
		selector, err := metav1.LabelSelectorAsSelector(&m.Spec.Selector)
		if err != nil {
			t.Fatal(err)
		}
		scraped := 0
		for _, s := range of[*corev1.Service](o) {
			if selector.Matches(labels.Set(s.Labels)) {
				scraped++
				if job := s.Labels[m.Spec.JobLabel]; job != "pgkeyless" {
					t.Errorf("the job is called %q, and the alert rules expect pgkeyless", job)
				}
				if s.Spec.Ports[0].Name != m.Spec.Endpoints[0].Port || s.Spec.Ports[0].TargetPort.StrVal != "probes" {
					t.Errorf("the monitor scrapes port %s of Service %s, which has %+v", m.Spec.Endpoints[0].Port, s.Name, s.Spec.Ports)
				}
			}
		}
		if scraped != 1 || m.Spec.Endpoints[0].Path != "/metrics" {
			t.Errorf("the monitor scrapes %s of %d Services", m.Spec.Endpoints[0].Path, scraped)
		}
	}
}

// checkAdmitted compares a NetworkPolicy with the service accounts that may connect: it
// admits the pods of each namespace among them, the peers, and nobody else.
func checkAdmitted(t *testing.T, n *networkingv1.NetworkPolicy, accounts string) {
	t.Helper()
	own := cmp.Or(n.Namespace, "gateway")
	if peers := n.Spec.PodSelector.MatchLabels; !admits(t, n, own, peers) {
		t.Errorf("NetworkPolicy keeps the peers out, %v", peers)
	}
	if accounts == "" { // the clients prove who they are in another way, from wherever they are
		return
	}
	if admits(t, n, "elsewhere", map[string]string{"app": "shop"}) {
		t.Error("NetworkPolicy admits every namespace to the databases")
	}
	for account := range strings.SplitSeq(accounts, ",") {
		if namespace, _, _ := strings.Cut(account, "/"); !admits(t, n, namespace, map[string]string{"app": "shop"}) {
			t.Errorf("kubernetes-accounts is %q, and NetworkPolicy keeps namespace %s out", accounts, namespace)
		}
	}
}

// admits reports whether a pod of a namespace may connect to the first port of the
// databases. Every namespace has its name as a label.
//
// Source: kubernetes.io/docs/concepts/services-networking/network-policies/#behavior-of-to-and-from-selectors.
func admits(t *testing.T, n *networkingv1.NetworkPolicy, namespace string, pod map[string]string) bool {
	t.Helper()
	fits := func(s *metav1.LabelSelector, set map[string]string) bool {
		selector, err := metav1.LabelSelectorAsSelector(s)
		if err != nil {
			t.Fatal(err)
		}
		return selector.Matches(labels.Set(set))
	}
	for _, rule := range n.Spec.Ingress {
		if !slices.ContainsFunc(rule.Ports, func(p networkingv1.NetworkPolicyPort) bool { return p.Port.StrVal != "probes" }) {
			continue
		}
		for _, peer := range rule.From {
			there := namespace == cmp.Or(n.Namespace, "gateway")
			if peer.NamespaceSelector != nil {
				there = fits(peer.NamespaceSelector, map[string]string{"kubernetes.io/metadata.name": namespace})
			}
			if peer.IPBlock == nil && there && (peer.PodSelector == nil || fits(peer.PodSelector, pod)) {
				return true
			}
		}
	}
	return false
}

func pgkeylessOf(t *testing.T, pod corev1.PodSpec) corev1.Container {
	t.Helper()
	for _, c := range append(slices.Clone(pod.InitContainers), pod.Containers...) {
		if c.Name == "pgkeyless" {
			return c
		}
	}
	t.Fatal("no container pgkeyless")
	return corev1.Container{}
}

func matches(t *testing.T, what string, s *metav1.LabelSelector, podLabels map[string]string) {
	t.Helper()
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		t.Fatal(err)
	}
	if selector.Empty() || !selector.Matches(labels.Set(podLabels)) {
		t.Errorf("%s selects %v, and the pods have %v", what, selector, podLabels)
	}
}
