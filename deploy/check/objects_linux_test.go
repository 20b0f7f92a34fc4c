package check

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	yamlutil "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// serviceMonitor is what of monitoring.coreos.com/v1 is in use here. prometheus-operator's
// own types would bring a module that is larger than all of this.
type serviceMonitor struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		JobLabel  string               `json:"jobLabel"`
		Selector  metav1.LabelSelector `json:"selector"`
		Endpoints []struct {
			Port     string `json:"port"`
			Path     string `json:"path"`
			Interval string `json:"interval"`
		} `json:"endpoints"`
	} `json:"spec"`
}

// objects are the documents of one rendering.
type objects struct {
	all      []runtime.Object
	monitors []*serviceMonitor
}

// decode reads documents. A field that the type does not have, or that is there twice,
// is an error, and so is an unknown kind.
func decode(manifests string) (objects, error) {
	var o objects
	strict := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	for reader := yamlutil.NewYAMLReader(bufio.NewReader(strings.NewReader(manifests))); ; {
		document, err := reader.Read()
		if err == io.EOF {
			return o, nil
		} else if err != nil {
			return o, err
		}
		var kind metav1.TypeMeta
		if err := yaml.Unmarshal(document, &kind); err != nil {
			return o, fmt.Errorf("%w:\n%s", err, document)
		}
		if kind == (metav1.TypeMeta{}) && len(bytes.TrimSpace(withoutComments(document))) == 0 {
			continue
		}
		if kind.Kind == "ServiceMonitor" && kind.APIVersion == "monitoring.coreos.com/v1" {
			m := new(serviceMonitor)
			raw, err := yaml.YAMLToJSONStrict(document)
			if err != nil {
				return o, err
			}
			wrong, err := kjson.UnmarshalStrict(raw, m)
			if err != nil || len(wrong) > 0 {
				return o, fmt.Errorf("ServiceMonitor: %v %v", err, wrong)
			}
			o.monitors = append(o.monitors, m)
			continue
		}
		object, _, err := strict.Decode(document, nil, nil)
		if err != nil {
			return o, fmt.Errorf("%w:\n%s", err, document)
		}
		o.all = append(o.all, object)
	}
}

func withoutComments(document []byte) []byte {
	var kept []byte
	for line := range bytes.Lines(document) {
		if !bytes.HasPrefix(bytes.TrimSpace(line), []byte("#")) && !bytes.HasPrefix(line, []byte("---")) {
			kept = append(kept, line...)
		}
	}
	return kept
}

func mustDecode(t *testing.T, manifests string) objects {
	t.Helper()
	o, err := decode(manifests)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// of are the objects of a type.
func of[T runtime.Object](o objects) (found []T) {
	for _, object := range o.all {
		if f, ok := object.(T); ok {
			found = append(found, f)
		}
	}
	return found
}

// one is the only object of a type.
func one[T runtime.Object](t *testing.T, o objects) (found T) {
	t.Helper()
	all := of[T](o)
	if len(all) != 1 {
		t.Fatalf("%d of %T, want 1", len(all), found)
	}
	return all[0]
}

// kinds counts the objects: "2 Service".
func (o objects) kinds() map[string]int {
	counts := map[string]int{}
	for _, object := range o.all {
		counts[object.GetObjectKind().GroupVersionKind().Kind]++
	}
	if len(o.monitors) > 0 {
		counts["ServiceMonitor"] = len(o.monitors)
	}
	return counts
}

// templates are the pods that the objects make.
func (o objects) templates() (found []corev1.PodTemplateSpec) {
	for _, d := range of[*appsv1.Deployment](o) {
		found = append(found, d.Spec.Template)
	}
	for _, j := range of[*batchv1.Job](o) {
		found = append(found, j.Spec.Template)
	}
	return found
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The decoder must see what it is there to see.
func TestMistakesInManifestsAreErrors(t *testing.T) {
	service := "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {clusterIP: None}\n"
	monitor := "apiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\nmetadata: {name: a}\nspec: {endpoints: [{port: a}]}\n"
	for _, good := range []string{service, monitor, "# nothing\n---\n" + service} {
		if o, err := decode(good); err != nil || len(o.all)+len(o.monitors) != 1 {
			t.Errorf("%v, %v:\n%s", o, err, good)
		}
	}
	for what, bad := range map[string]string{
		"unknown field":          strings.Replace(service, "clusterIP", "clusterIp", 1),
		"unknown field in depth": strings.Replace(service, "clusterIP: None", "ports: [{prot: 1}]", 1),
		"key twice":              service + "spec: {}\n",
		"unknown kind":           strings.Replace(service, "kind: Service", "kind: Servise", 1),
		"wrong type":             strings.Replace(service, "clusterIP: None", "ports: 5432", 1),
		"monitor":                strings.Replace(monitor, "port:", "Port:", 1),
	} {
		if o, err := decode(bad); err == nil {
			t.Errorf("%s: no error, %v", what, o)
		}
	}
}
