# The IAM policy of a pgkeyless, for the roles in ../irsa and ../pod-identity. `pgkeyless policy TARGET` prints the same
# for one target, with what it found out about it.

terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "region" {
  description = "AWS region of the database and the jump host."
  type        = string
}

variable "database_resource_id" {
  description = "The database's resource id: db-…, cluster-… or prx-…"
  type        = string
}

variable "database_users" {
  description = "Database users that pgkeyless may log in as. Each needs GRANT rds_iam."
  type        = list(string)
}

variable "jump_host_tag" {
  description = "Tag of the jump hosts for via=tag:KEY=VALUE. null if the pods reach the database themselves."
  type        = object({ key = string, value = string })
  default     = null
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  partition = data.aws_partition.current.partition
  account   = data.aws_caller_identity.current.account_id
}

data "aws_iam_policy_document" "database" {
  statement {
    sid       = "LogIn"
    actions   = ["rds-db:connect"]
    resources = [for user in var.database_users : "arn:${local.partition}:rds-db:${var.region}:${local.account}:dbuser:${var.database_resource_id}/${user}"]
  }

  # For targets by identifier or ARN. A target that is an endpoint does without.
  statement {
    sid = "FindDatabase"
    actions = [
      "rds:DescribeDBInstances",
      "rds:DescribeDBClusters",
      "rds:DescribeDBClusterEndpoints",
      "rds:DescribeDBProxies",
      "rds:DescribeDBProxyEndpoints",
      "rds:DescribeGlobalClusters",
    ]
    resources = ["*"]
  }
}

data "aws_iam_policy_document" "jump_host" {
  count = var.jump_host_tag == null ? 0 : 1

  statement {
    sid       = "FindJumpHost"
    actions   = ["ssm:DescribeInstanceInformation"]
    resources = ["*"]
  }

  statement {
    sid     = "StartSession"
    actions = ["ssm:StartSession"]
    resources = [
      "arn:${local.partition}:ec2:${var.region}:${local.account}:instance/*",
      "arn:${local.partition}:ssm:${var.region}:${local.account}:managed-instance/*",
    ]

    condition {
      test     = "BoolIfExists"
      variable = "ssm:SessionDocumentAccessCheck"
      values   = ["true"]
    }

    condition {
      test     = "StringEquals"
      variable = "ssm:resourceTag/${var.jump_host_tag.key}"
      values   = [var.jump_host_tag.value]
    }
  }

  statement {
    sid       = "StartSessionDocument"
    actions   = ["ssm:StartSession"]
    resources = ["arn:${local.partition}:ssm:${var.region}::document/AWS-StartPortForwardingSessionToRemoteHost"]
  }

  statement {
    sid = "UseOwnSessions"
    actions = [
      "ssm:ResumeSession",
      "ssm:TerminateSession",
    ]
    resources = ["arn:${local.partition}:ssm:*:*:session/*"]

    condition {
      test     = "StringLike"
      variable = "ssm:resourceTag/aws:ssmmessages:session-id"
      values   = ["&{aws:userid}"]
    }
  }

  statement {
    sid = "UseOwnSessionsAsUser"
    actions = [
      "ssm:ResumeSession",
      "ssm:TerminateSession",
    ]
    resources = ["arn:${local.partition}:ssm:*:*:session/&{aws:username}-*"]
  }

  statement {
    sid       = "OpenDataChannel"
    actions   = ["ssmmessages:OpenDataChannel"]
    resources = ["*"]
  }
}

data "aws_iam_policy_document" "all" {
  source_policy_documents = concat(
    [data.aws_iam_policy_document.database.json],
    data.aws_iam_policy_document.jump_host[*].json,
  )
}

output "json" {
  description = "The policy."
  value       = data.aws_iam_policy_document.all.json
}
