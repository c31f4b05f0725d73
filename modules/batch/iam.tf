data "aws_partition" "current" {}
data "aws_caller_identity" "current" {}
data "aws_region" "current" {}

locals {
  _here        = "${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}"
  _bucket_arn  = "arn:${data.aws_partition.current.partition}:s3:::${var.bucket}"
  _source_arns = concat([local._bucket_arn], [for bucket in var.source_buckets : "arn:${data.aws_partition.current.partition}:s3:::${bucket}"])
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

# What the job itself may do.
resource "aws_iam_role" "job" {
  name                 = "${var.name}-batch-job"
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  permissions_boundary = var.permissions_boundary_arn
}

data "aws_iam_policy_document" "job" {
  statement {
    sid       = "FindData"
    actions   = ["s3:ListBucket"]
    resources = local._source_arns
  }
  statement {
    sid       = "ReadData"
    actions   = ["s3:GetObject", "s3:GetObjectTagging"]
    resources = concat(["${local._bucket_arn}/datasets/*"], [for bucket in var.source_buckets : "arn:${data.aws_partition.current.partition}:s3:::${bucket}/*"])
  }
  statement {
    sid       = "ReadCode"
    actions   = ["s3:GetObject"]
    resources = ["${local._bucket_arn}/code/*", "${local._bucket_arn}/runs/*/code/*"] # not every definition copies it first
  }
  statement {
    sid       = "WriteTheRunsCopy"
    actions   = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject", "s3:PutObjectTagging"]
    resources = ["${local._bucket_arn}/runs/*/fetch-preprocessed-data/*"]
  }
  statement {
    sid       = "ReadAndWriteEncryptedObjects"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.kms_key_arn]
    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["s3.${data.aws_region.current.name}.${data.aws_partition.current.dns_suffix}"]
    }
  }
}

resource "aws_iam_role_policy" "job" {
  name   = "job"
  role   = aws_iam_role.job.id
  policy = data.aws_iam_policy_document.job.json
}

# What Fargate, and the agent of an instance, may do to start it. A public image needs no more than the logs.
resource "aws_iam_role" "execution" {
  name                 = "${var.name}-batch-execution"
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  permissions_boundary = var.permissions_boundary_arn
}

data "aws_iam_policy_document" "execution" {
  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["arn:${data.aws_partition.current.partition}:logs:${local._here}:log-group:/aws/batch/job:*"]
  }
  statement {
    sid     = "PullPrivateImages"
    actions = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    # An image that someone sets may lie in another account or region; the registry's own policy decides there.
    resources = ["arn:${data.aws_partition.current.partition}:ecr:*:*:repository/*"]
  }
  statement {
    sid     = "LogInToRegistries"
    actions = ["ecr:GetAuthorizationToken"]
    # The action knows no resources.
    resources = ["*"]
  }
}

resource "aws_iam_role_policy" "execution" {
  name   = "execution"
  role   = aws_iam_role.execution.id
  policy = data.aws_iam_policy_document.execution.json
}
