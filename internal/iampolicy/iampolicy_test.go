package iampolicy

import (
	"encoding/json"
	"testing"
)

func TestLineIsAStatement(t *testing.T) {
	const arn = "arn:aws:ssm:*:*:session/${aws:userid}-*"
	for got, want := range map[string]string{
		Line("rds-db:connect", arn):             `{"Effect":"Allow","Action":"rds-db:connect","Resource":"` + arn + `"}`,
		Line("ssm:StartSession", []string{arn}): `{"Effect":"Allow","Action":"ssm:StartSession","Resource":["` + arn + `"]}`,
		Line("a:B", []string{"arn:x", "arn:y"}): `{"Effect":"Allow","Action":"a:B","Resource":["arn:x","arn:y"]}`,
		SpacedLine("rds:DescribeDBInstances"):   `{"Effect": "Allow", "Action": "rds:DescribeDBInstances", "Resource": "*"}`,
		Line("a:B", `a "quoted" user\`):         `{"Effect":"Allow","Action":"a:B","Resource":"a \"quoted\" user\\"}`,
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if !json.Valid([]byte(got)) {
			t.Errorf("%s is not JSON", got)
		}
	}
}

func TestDenialIsReadFromAWSsWords(t *testing.T) {
	const ada = "arn:aws:sts::111122223333:assumed-role/dev/ada"
	for said, want := range map[string]Denial{
		"User: " + ada + " is not authorized to perform: rds:DescribeDBProxies on resource: * because no identity-based policy allows it":                        {ada, "rds:DescribeDBProxies", "*"},
		"User: " + ada + " is not authorized to perform: ssm:StartSession on resource: arn:aws:ec2:eu-central-1:111122223333:instance/i-1 with an explicit deny": {ada, "ssm:StartSession", "arn:aws:ec2:eu-central-1:111122223333:instance/i-1"},
		"api error AccessDenied: User: a is not authorized to perform: b on resource: c":                                                                         {"a", "b", "c"},
		"User: " + ada + " is not authorized to perform: sts:AssumeRole":                                                                                         {},
		"access denied": {},
		"":              {},
	} {
		if got, ok := ParseDenial(said); got != want || ok != (want != Denial{}) {
			t.Errorf("%q: %+v, %v; want %+v", said, got, ok, want)
		}
	}
	if Explicit("because no identity-based policy allows it") || !Explicit("with an explicit deny in a service control policy") {
		t.Error("explicit denials are mistaken")
	}
}

func TestARNs(t *testing.T) {
	p := Place{"aws-cn", "cn-north-1", "111122223333"}
	for got, want := range map[string]string{
		p.DatabaseUser("db-X", "ada"):                       "arn:aws-cn:rds-db:cn-north-1:111122223333:dbuser:db-X/ada",
		p.DatabaseUser("db-X", "a*$?"):                      "arn:aws-cn:rds-db:cn-north-1:111122223333:dbuser:db-X/a${*}${$}${?}",
		p.DSQLCluster("abc"):                                "arn:aws-cn:dsql:cn-north-1:111122223333:cluster/abc",
		p.Document(RemoteHostDocument):                      "arn:aws-cn:ssm:cn-north-1::document/AWS-StartPortForwardingSessionToRemoteHost",
		p.Document("corp"):                                  "arn:aws-cn:ssm:cn-north-1:111122223333:document/corp",
		p.Document("arn:aws:ssm:x:1:document/shared"):       "arn:aws:ssm:x:1:document/shared",
		p.JumpHost("i-0123"):                                "arn:aws-cn:ec2:cn-north-1:111122223333:instance/i-0123",
		p.JumpHost("mi-0123"):                               "arn:aws-cn:ssm:cn-north-1:111122223333:managed-instance/mi-0123",
		p.JumpHost("ecs:main_task_runtime-1"):               "arn:aws-cn:ecs:cn-north-1:111122223333:task/main/task",
		p.JumpHost("ecs:my_own_cluster_task_runtime-1"):     "arn:aws-cn:ecs:cn-north-1:111122223333:task/my_own_cluster/task",
		p.JumpHost("ecs:main/jump"):                         "arn:aws-cn:ecs:cn-north-1:111122223333:task/main/*",
		p.ECSCluster("main"):                                "arn:aws-cn:ecs:cn-north-1:111122223333:cluster/main",
		p.SessionOf("ada", "arn:aws-cn:ssm:*:*:session/*"):  "arn:aws-cn:ssm:cn-north-1:111122223333:session/ada-0123456789abcdef0",
		p.SessionOf("ada", "arn:aws-cn:ec2:x"):              "arn:aws-cn:ec2:x",
		DSQLLoginAction("admin") + DSQLLoginAction("Admin"): "dsql:DbConnectAdmindsql:DbConnect",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
