package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pgkeyless/pgkeyless/internal/database"
	"github.com/pgkeyless/pgkeyless/internal/iampolicy"
)

// JSON is the policy alone, for `aws iam put-role-policy` and the like.
func JSON(f Facts) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(For(f)); err != nil {
		panic(err) // strings and maps of strings can always be encoded
	}
	return b.String()
}

// Text is all there is to do, for people. Unknown is left to the caller.
func Text(f Facts) string {
	var b strings.Builder
	fmt.Fprintf(&b, "IAM policy for the identity that connects to %s:\n\n%s\n", f.Target, JSON(f))
	fmt.Fprintf(&b, "In the database, as %s:\n\n%s\n", f.owner(), SQL(f))
	b.WriteString("Around it:\n\n")
	for _, line := range Advice(f) {
		fmt.Fprintf(&b, "- %s\n", line)
	}
	return b.String()
}

// owner is who may run SQL.
func (f Facts) owner() string {
	if f.Kind == database.DSQL {
		return "admin"
	}
	return "the master user"
}

// Terraform is the policy for Terraform and OpenTofu, the rest as comments.
func Terraform(f Facts) string {
	name := terraformName(f.Target)
	var b strings.Builder
	fmt.Fprintf(&b, "data \"aws_iam_policy_document\" %q {\n", name)
	for i, s := range For(f).Statement {
		if i > 0 {
			b.WriteByte('\n')
		}
		terraform(&b, s)
	}
	fmt.Fprintf(&b, "}\n\nresource \"aws_iam_policy\" %q {\n  name   = %s\n  policy = data.aws_iam_policy_document.%[1]s.json\n}\n",
		name, hcl("pgkeyless-"+strings.ReplaceAll(name[len("pgkeyless_"):], "_", "-")))
	fmt.Fprintf(&b, "\n# In the database, as %s:\n#\n", f.owner())
	for line := range strings.Lines(SQL(f)) {
		b.WriteString("#   " + line)
	}
	b.WriteString("#\n")
	for _, line := range Advice(f) {
		fmt.Fprintf(&b, "# - %s\n", line)
	}
	return b.String()
}

func terraform(b *strings.Builder, s iampolicy.Statement) {
	b.WriteString("  statement {\n")
	hclAttributes(b, [][2]string{{"sid", hcl(s.Sid)}, {"actions", hclList(s.Action)}, {"resources", hclList(s.Resource)}})
	for _, operator := range slices.Sorted(maps.Keys(s.Condition)) {
		for _, key := range slices.Sorted(maps.Keys(s.Condition[operator])) {
			fmt.Fprintf(b, "\n    condition {\n      test     = %s\n      variable = %s\n      values   = [%s]\n    }\n",
				hcl(operator), hcl(key), hcl(s.Condition[operator][key]))
		}
	}
	b.WriteString("  }\n")
}

// terraformName is a name for Terraform made of a target's.
func terraformName(target string) string {
	host, _, _ := strings.Cut(target, ".")
	return "pgkeyless_" + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, host)
}

// hclAttributes writes them as `terraform fmt` does: the equals signs of
// neighbours on one line each stand below each other.
func hclAttributes(b *strings.Builder, attributes [][2]string) {
	for len(attributes) > 0 {
		n, width := 0, 0
		for n < len(attributes) && !strings.Contains(attributes[n][1], "\n") {
			width = max(width, len(attributes[n][0]))
			n++
		}
		n = max(n, 1)
		for _, a := range attributes[:n] {
			fmt.Fprintf(b, "    %-*s = %s\n", width, a[0], a[1])
		}
		attributes = attributes[n:]
	}
}

func hclList(values []string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = hcl(v)
	}
	if len(quoted) == 1 {
		return "[" + quoted[0] + "]"
	}
	return "[\n      " + strings.Join(quoted, ",\n      ") + ",\n    ]"
}

// hcl quotes a string. A policy variable is written &{…} for the provider, which
// makes ${…} of it; Terraform would take that for its own.
//
// Source: AWS provider, data source aws_iam_policy_document, "Context Variable
// Interpolation".
func hcl(s string) string {
	s = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "${", "&{", "%{", "%%{", "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(s)
	return `"` + s + `"`
}
