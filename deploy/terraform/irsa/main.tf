# An IAM role for a service account of an EKS cluster (IRSA): the pods get its credentials through the cluster's OIDC
# provider. Annotate the service account with the output `role_arn`.

terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "oidc_provider_arn" {
  description = "ARN of the cluster's OIDC provider in IAM."
  type        = string
}

variable "name" {
  description = "Name of the role."
  type        = string
  default     = "pgkeyless"
}

variable "namespace" {
  description = "Namespace of the service account."
  type        = string
}

variable "service_account" {
  description = "Name of the service account."
  type        = string
  default     = "pgkeyless"
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

module "policy" {
  source = "../policy"

  region               = var.region
  database_resource_id = var.database_resource_id
  database_users       = var.database_users
  jump_host_tag        = var.jump_host_tag
}

resource "aws_iam_role" "pgkeyless" {
  name               = var.name
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_role_policy" "pgkeyless" {
  name   = "pgkeyless"
  role   = aws_iam_role.pgkeyless.id
  policy = module.policy.json
}

locals {
  # arn:aws:iam::ACCOUNT:oidc-provider/ISSUER: the conditions are named after the issuer.
  issuer = replace(var.oidc_provider_arn, "/^.*oidc-provider//", "")
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [var.oidc_provider_arn]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:sub"
      values   = ["system:serviceaccount:${var.namespace}:${var.service_account}"]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:aud"
      values   = ["sts.amazonaws.com"]
    }
  }
}

output "role_arn" {
  description = "For the annotation eks.amazonaws.com/role-arn."
  value       = aws_iam_role.pgkeyless.arn
}
