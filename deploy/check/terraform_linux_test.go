package check

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/gocty"

	"github.com/pgkeyless/pgkeyless/internal/database"
	"github.com/pgkeyless/pgkeyless/internal/policy"
)

var modules = []string{"irsa", "pod-identity", "policy"}

// TestTerraformIsFormatted is `terraform fmt -check`, which uses the same library.
func TestTerraformIsFormatted(t *testing.T) {
	for _, name := range modules {
		text := read(t, terraformFile(name))
		if got := string(hclwrite.Format([]byte(text))); got != text {
			t.Errorf("terraform fmt would change %s", terraformFile(name))
		}
	}
	files, err := filepath.Glob("../terraform/*/*")
	if err != nil || len(files) != len(modules) {
		t.Errorf("files %v, %v; want one of each of %v", files, err, modules)
	}
	if hclwritten := string(hclwrite.Format([]byte("a = 1\nbcd = 2\n"))); hclwritten != "a   = 1\nbcd = 2\n" {
		t.Errorf("the formatter does nothing: %q", hclwritten)
	}
}

func terraformFile(name string) string { return "../terraform/" + name + "/main.tf" }

func parse(t *testing.T, name string) *hclsyntax.Body {
	t.Helper()
	if _, err := os.Stat(terraformFile(name)); err != nil {
		t.Fatal(err)
	}
	file, diagnostics := hclparse.NewParser().ParseHCLFile(terraformFile(name))
	if diagnostics.HasErrors() {
		t.Fatal(diagnostics)
	}
	return file.Body.(*hclsyntax.Body)
}

// blocks are those of a type, whose first labels are so.
func blocks(body *hclsyntax.Body, kind string, labels ...string) (found []*hclsyntax.Block) {
	for _, b := range body.Blocks {
		if b.Type == kind && len(b.Labels) >= len(labels) && slices.Equal(b.Labels[:len(labels)], labels) {
			found = append(found, b)
		}
	}
	return found
}

// terraformContext is what Terraform knows at the end of a plan.
func terraformContext() *hcl.EvalContext {
	text := cty.StringVal
	return &hcl.EvalContext{Variables: map[string]cty.Value{
		"var": cty.ObjectVal(map[string]cty.Value{
			"region": text("eu-central-1"), "database_resource_id": text("db-ABCDEFGHIJKLMNOPQRSTUVWXYZ"), "database_users": cty.ListVal([]cty.Value{text("app_user")}),
			"jump_host_tag": cty.ObjectVal(map[string]cty.Value{"key": text("Role"), "value": text("jump")}),
			"namespace":     text("gateway"), "service_account": text("pgkeyless"),
			"oidc_provider_arn": text("arn:aws:iam::111122223333:oidc-provider/" + issuer),
		}),
		"local": cty.ObjectVal(map[string]cty.Value{"partition": text("aws"), "account": text("111122223333"), "issuer": text(issuer)}),
	}}
}

const issuer = "oidc.eks.eu-central-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF"

type statement struct {
	Sid                 string                       `json:",omitempty"`
	Effect              string                       `json:",omitempty"`
	Action              []string                     `json:",omitempty"`
	Resource            []string                     `json:",omitempty"`
	Condition           map[string]map[string]string `json:",omitempty"`
	principal, trustees string
}

// document evaluates the statements of an aws_iam_policy_document.
func document(t *testing.T, body *hclsyntax.Body, name string) (all []statement) {
	t.Helper()
	found := blocks(body, "data", "aws_iam_policy_document", name)
	if len(found) != 1 {
		t.Fatalf("%d documents %s", len(found), name)
	}
	for _, b := range blocks(found[0].Body, "statement") {
		s := statement{Effect: "Allow"}
		for attribute, into := range map[string]any{"sid": &s.Sid, "actions": &s.Action, "resources": &s.Resource} {
			evaluate(t, b.Body, attribute, into)
		}
		for _, c := range blocks(b.Body, "condition") {
			var test, variable string
			var values []string
			for attribute, into := range map[string]any{"test": &test, "variable": &variable, "values": &values} {
				evaluate(t, c.Body, attribute, into)
			}
			if s.Condition == nil {
				s.Condition = map[string]map[string]string{}
			}
			if s.Condition[test] == nil {
				s.Condition[test] = map[string]string{}
			}
			s.Condition[test][variable] = unescape(strings.Join(values, ","))
		}
		for _, p := range blocks(b.Body, "principals") {
			var identifiers []string
			evaluate(t, p.Body, "type", &s.principal)
			evaluate(t, p.Body, "identifiers", &identifiers)
			s.trustees = strings.Join(identifiers, ",")
		}
		for i := range s.Resource {
			s.Resource[i] = unescape(s.Resource[i])
		}
		all = append(all, s)
	}
	return all
}

// unescape does what the AWS provider does to IAM's own variables.
func unescape(s string) string { return strings.ReplaceAll(s, "&{", "${") }

func evaluate(t *testing.T, body *hclsyntax.Body, attribute string, into any) {
	t.Helper()
	a, ok := body.Attributes[attribute]
	if !ok {
		return
	}
	value, diagnostics := a.Expr.Value(terraformContext())
	if diagnostics.HasErrors() {
		t.Fatal(diagnostics)
	}
	if list, ok := into.(*[]string); ok {
		for _, v := range value.AsValueSlice() {
			*list = append(*list, v.AsString())
		}
		return
	}
	if err := gocty.FromCtyValue(value, into); err != nil {
		t.Fatalf("%s: %v", attribute, err)
	}
}

// TestTerraformGrantsWhatPolicyPrints compares the whole document with that of
// `pgkeyless policy`: actions, resources and conditions.
func TestTerraformGrantsWhatPolicyPrints(t *testing.T) {
	facts := policy.Facts{Target: "orders", Kind: database.Instance, Partition: "aws", Region: "eu-central-1", Account: "111122223333",
		ResourceID: "db-ABCDEFGHIJKLMNOPQRSTUVWXYZ", User: "app_user", Lookup: []string{"rds:DescribeDBInstances", "rds:DescribeDBClusters",
			"rds:DescribeDBClusterEndpoints", "rds:DescribeDBProxies", "rds:DescribeDBProxyEndpoints", "rds:DescribeGlobalClusters"}}
	body := parse(t, "policy")
	direct := document(t, body, "database")
	sameYAML(t, "via=none", direct, printed(t, facts))
	facts.Via, facts.ViaAccount = "tag:Role=jump", facts.Account
	sameYAML(t, "via=tag:", append(direct, document(t, body, "jump_host")...), printed(t, facts))
}

func printed(t *testing.T, f policy.Facts) []statement {
	t.Helper()
	var p struct{ Statement []statement }
	if err := json.Unmarshal([]byte(policy.JSON(f)), &p); err != nil || len(p.Statement) == 0 {
		t.Fatalf("%d statements, %v", len(p.Statement), err)
	}
	return p.Statement
}

// Each role trusts one service account, and nobody else.
func TestTerraformTrust(t *testing.T) {
	irsa := document(t, parse(t, "irsa"), "trust")
	if len(irsa) != 1 || irsa[0].principal != "Federated" || irsa[0].trustees != "arn:aws:iam::111122223333:oidc-provider/"+issuer || !slices.Equal(irsa[0].Action, []string{"sts:AssumeRoleWithWebIdentity"}) {
		t.Errorf("%+v", irsa)
	}
	sameYAML(t, "conditions", irsa[0].Condition, map[string]map[string]string{"StringEquals": {
		issuer + ":sub": "system:serviceaccount:gateway:pgkeyless", issuer + ":aud": "sts.amazonaws.com"}})
	pod := document(t, parse(t, "pod-identity"), "trust")
	if len(pod) != 1 || pod[0].principal != "Service" || pod[0].trustees != "pods.eks.amazonaws.com" || !slices.Equal(pod[0].Action, []string{"sts:AssumeRole", "sts:TagSession"}) {
		t.Errorf("%+v", pod)
	}
}

// Every variable that is used is declared, every declared one is used, and the modules
// give ../policy what it wants.
func TestTerraformVariables(t *testing.T) {
	declared := map[string][]string{}
	for _, name := range modules {
		body := parse(t, name)
		for _, b := range blocks(body, "variable") {
			declared[name] = append(declared[name], b.Labels[0])
		}
		var used []string
		_ = hclsyntax.VisitAll(body, func(n hclsyntax.Node) hcl.Diagnostics {
			if e, ok := n.(*hclsyntax.ScopeTraversalExpr); ok && e.Traversal.RootName() == "var" {
				used = append(used, e.Traversal[1].(hcl.TraverseAttr).Name)
			}
			return nil
		})
		slices.Sort(used)
		slices.Sort(declared[name])
		if used = slices.Compact(used); !slices.Equal(used, declared[name]) {
			t.Errorf("%s uses the variables %v, and declares %v", name, used, declared[name])
		}
	}
	for _, name := range []string{"irsa", "pod-identity"} {
		var given []string
		for argument := range blocks(parse(t, name), "module", "policy")[0].Body.Attributes {
			if argument != "source" {
				given = append(given, argument)
			}
		}
		slices.Sort(given)
		if !slices.Equal(given, declared["policy"]) {
			t.Errorf("%s gives the policy %v, which takes %v", name, given, declared["policy"])
		}
	}
}

// The module call that docs/howto/kubernetes.md shows gives what has no default, and
// nothing else than there is.
func TestTerraformOfTheGuide(t *testing.T) {
	_, block, _ := strings.Cut(read(t, "../../docs/howto/kubernetes.md"), "```hcl\n")
	block, _, _ = strings.Cut(block, "```")
	file, diagnostics := hclparse.NewParser().ParseHCL([]byte(block), "kubernetes.md")
	if diagnostics.HasErrors() {
		t.Fatal(diagnostics)
	}
	call := blocks(file.Body.(*hclsyntax.Body), "module")[0].Body
	for _, b := range blocks(parse(t, "pod-identity"), "variable") {
		_, optional := b.Body.Attributes["default"]
		_, given := call.Attributes[b.Labels[0]]
		if !given && !optional {
			t.Errorf("the guide does not give %s", b.Labels[0])
		}
		delete(call.Attributes, b.Labels[0])
	}
	delete(call.Attributes, "source")
	for name := range call.Attributes {
		t.Errorf("the guide gives %s, which the module does not take", name)
	}
}
