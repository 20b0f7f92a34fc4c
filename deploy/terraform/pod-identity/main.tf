# An IAM role for a service account of an EKS cluster, by EKS Pod Identity: the agent on the node hands out its
# credentials. The service account needs no annotation.

terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.30"
    }
  }
}

variable "cluster_name" {
  description = "Name of the EKS cluster, which has the add-on eks-pod-identity-agent."
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

data "aws_iam_policy_document" "trust" {
  statement {
    actions = [
      "sts:AssumeRole",
      "sts:TagSession",
    ]

    principals {
      type        = "Service"
      identifiers = ["pods.eks.amazonaws.com"]
    }
  }
}

resource "aws_eks_pod_identity_association" "pgkeyless" {
  cluster_name    = var.cluster_name
  namespace       = var.namespace
  service_account = var.service_account
  role_arn        = aws_iam_role.pgkeyless.arn
}

output "role_arn" {
  description = "The role."
  value       = aws_iam_role.pgkeyless.arn
}
