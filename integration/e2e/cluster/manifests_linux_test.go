package cluster

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// A manifest is read without its type, which deploy/check knows.
type object = map[string]any

// manifest is the document of a kind in a file of deploy.
func manifest(t *testing.T, file, kind string) object {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../../deploy", file))
	if err != nil {
		t.Fatal(err)
	}
	for dec := yaml.NewDecoder(strings.NewReader(string(text))); ; {
		var o object
		if err := dec.Decode(&o); err != nil {
			t.Fatalf("no %s in %s: %v", kind, file, err)
		}
		if o["kind"] == kind {
			return o
		}
	}
}

func write(t *testing.T, documents ...object) string {
	t.Helper()
	var text strings.Builder
	enc := yaml.NewEncoder(&text)
	for _, d := range documents {
		if err := enc.Encode(d); err != nil {
			t.Fatal(err)
		}
	}
	return text.String()
}

// template is the pod's part of a Deployment or Job.
func template(o object) object { return o["spec"].(object)["template"].(object) }

// asPod is the pod that a Deployment or Job makes, for podman: sidecars and init
// containers become containers, in the order in which the kubelet starts them. The
// test then starts each, once: the pod restarts none. It has the machine's network, where
// podman takes a list of ports, which opens none in Kubernetes, for a mistake.
func asPod(name string, template object) object {
	spec := template["spec"].(object)
	var all []any
	for _, list := range []string{"initContainers", "containers"} {
		containers, _ := spec[list].([]any)
		for _, c := range containers {
			delete(c.(object), "restartPolicy")
			delete(c.(object), "ports")
			all = append(all, c)
		}
	}
	delete(spec, "initContainers")
	spec["containers"], spec["restartPolicy"], spec["hostNetwork"] = all, "Never", true
	return object{"apiVersion": "v1", "kind": "Pod", "metadata": object{"name": name}, "spec": spec}
}

// container is one of a pod's.
func container(t *testing.T, pod object, name string) object {
	t.Helper()
	for _, c := range pod["spec"].(object)["containers"].([]any) {
		if c.(object)["name"] == name {
			return c.(object)
		}
	}
	t.Fatalf("no container %s", name)
	return nil
}

// setEnv adds variables to a container.
func setEnv(c object, variables []string) {
	env, _ := c["env"].([]any)
	for _, v := range variables {
		name, value, _ := strings.Cut(v, "=")
		env = append(env, object{"name": name, "value": value})
	}
	c["env"] = env
}

// hostPath makes a volume of the pod's a directory of the machine, mounted at the same
// place.
func hostPath(t *testing.T, pod object, volume, dir string) {
	t.Helper()
	for _, v := range pod["spec"].(object)["volumes"].([]any) {
		if v := v.(object); v["name"] == volume {
			clear(v)
			v["name"], v["hostPath"] = volume, object{"path": dir, "type": "Directory"}
			return
		}
	}
	t.Fatalf("no volume %s", volume)
}
