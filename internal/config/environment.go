package config

import (
	"slices"
	"strconv"
	"strings"
)

const (
	variablePrefix = "PGKEYLESS_"
	targetPrefix   = variablePrefix + "TARGET_"
)

// environmentLayer collects the PGKEYLESS_ variables that are options. An
// empty one counts as unset. One that is nearly an option's name is an error;
// others are let be, since they may belong to somebody else (Kubernetes makes
// PGKEYLESS_SERVICE_HOST and its kin for a service named pgkeyless).
func environmentLayer(environ []string) (layer, error) {
	l := layer{}
	known := map[string]string{} // variable → option
	for _, o := range All() {
		known[o.Variable()] = o.Name
	}
	for _, entry := range environ {
		key, v, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(key, variablePrefix) || v == "" || strings.HasPrefix(key, targetPrefix) {
			continue
		}
		if name, ok := known[key]; ok {
			l[name] = setting{text: v, origin: variableOrigin(name)}
		} else if meant := nearVariable(key); meant != "" {
			return nil, problem("unknown variable %s", key).hinted("did you mean %s?", meant)
		}
	}
	return l, nil
}

func variable(name string) string {
	o, _ := find(name)
	return o.Variable()
}

// nearVariable is the variable that key was probably meant to be, or empty.
func nearVariable(key string) string {
	rest := strings.TrimPrefix(key, variablePrefix)
	if strings.HasPrefix(rest, "SERVICE_") || strings.HasPrefix(rest, "PORT_") {
		return ""
	}
	if rest == "TARGET" || rest == "TARGETS" {
		return targetPrefix + "0"
	}
	name := Suggest(rest)
	if name == "" {
		return ""
	}
	return variable(name)
}

// environmentTargets reads PGKEYLESS_TARGET_0, _1 and so on. A gap is an error:
// what stands after it would be lost unseen.
func environmentTargets(environ []string) ([]string, error) {
	byNumber := map[int]string{}
	for _, entry := range environ {
		key, v, _ := strings.Cut(entry, "=")
		suffix, ok := strings.CutPrefix(key, targetPrefix)
		if !ok || v == "" {
			continue
		}
		n, err := strconv.ParseUint(suffix, 10, 16)
		if err != nil || suffix != strconv.FormatUint(n, 10) {
			return nil, problem("unknown variable %s", key).hinted("targets are %s0, %s1 and so on", targetPrefix, targetPrefix)
		}
		byNumber[int(n)] = v
	}
	var targets []string
	for range byNumber {
		v, ok := byNumber[len(targets)]
		if !ok {
			numbers := make([]int, 0, len(byNumber))
			for n := range byNumber {
				numbers = append(numbers, n)
			}
			return nil, problem("%s%d is set but %s%d is not", targetPrefix, slices.Max(numbers), targetPrefix, len(targets)).hinted(
				"number the targets from 0 without a gap")
		}
		targets = append(targets, v)
	}
	return targets, nil
}
