data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  _keys = concat(["bulk_batch", "champion_gate", "describe_failure", "prepare_deployment", "prepare_inference", "prepare_run", "prune_versions", "settle_deployment", "smoke_test"], local._starts ? ["start_run"] : [], length(var.measured) > 0 ? ["days_without_success"] : [])
  names = { for key in local._keys : key => "${var.name}-${replace(key, "_", "-")}" }

  _bucket_arn   = "arn:${data.aws_partition.current.partition}:s3:::${var.bucket}"
  _machine_arns = [for machine in var.machines : "${local._states_arn}:stateMachine:${machine}"]
  _states_arn   = "arn:${data.aws_partition.current.partition}:states:${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}"
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "this" {
  for_each = local.names

  name                 = each.value
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  permissions_boundary = var.permissions_boundary_arn
}

# Of an object's ETag, S3 tells a conditional delete only whoever may read the object.
data "aws_iam_policy_document" "bulk_batch" {
  statement {
    sid = "FindObjects"
    # For the whole bucket: S3 tells a missing object from a forbidden one only whoever may list without conditions.
    actions   = ["s3:ListBucket"]
    resources = [local._bucket_arn]
  }
  statement {
    sid = "CopyAndDelete"
    actions = [
      "s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:GetObjectTagging", "s3:GetObjectVersion",
      "s3:GetObjectVersionTagging", "s3:PutObject", "s3:PutObjectTagging",
    ]
    resources = ["${local._bucket_arn}/runs/*"]
  }
  statement {
    sid       = "ReadResultsAndChampions"
    actions   = ["s3:GetObject"]
    resources = ["${local._bucket_arn}/audit/*", "${local._bucket_arn}/champions/*"]
  }
  statement {
    sid       = "SeeWhichRunsGoOn"
    actions   = ["states:ListExecutions"]
    resources = local._machine_arns
  }
  statement {
    sid     = "FindEndpoints"
    actions = ["sagemaker:ListEndpoints"]
    # The action knows no resources.
    resources = ["*"]
  }
  statement {
    sid     = "SeeWhatIsServed"
    actions = ["sagemaker:DescribeEndpoint", "sagemaker:DescribeEndpointConfig", "sagemaker:DescribeModel"]
    # Any endpoint of the account may serve a run's model.
    resources = [for kind in ["endpoint", "endpoint-config", "model"] : "${local._sagemaker_arn}:${kind}/*"]
  }
}

data "aws_iam_policy_document" "champion_gate" {
  statement {
    sid = "FindFigures"
    # For the whole bucket: S3 tells a missing object from a forbidden one only whoever may list without conditions.
    actions   = ["s3:ListBucket"]
    resources = [local._bucket_arn]
  }
  statement {
    sid       = "ReadTheChampionsRecord"
    actions   = ["s3:GetObject"]
    resources = ["${local._bucket_arn}/champions/*"]
  }
  statement {
    sid       = "ReadFigures"
    actions   = ["s3:GetObject"]
    resources = ["${local._bucket_arn}/runs/*/output/model.tar.gz"]
  }
}

data "aws_iam_policy_document" "prepare_inference" {
  statement {
    sid       = "FindModelsAndDocuments"
    actions   = ["s3:ListBucket"]
    resources = concat([local._bucket_arn], [for bucket in var.source_buckets : "arn:${data.aws_partition.current.partition}:s3:::${bucket}"])
  }
  statement {
    sid = "ReadModelsAndDocuments"
    # Documents may lie anywhere in these buckets.
    actions   = ["s3:GetObject"]
    resources = concat(["${local._bucket_arn}/*"], [for bucket in var.source_buckets : "arn:${data.aws_partition.current.partition}:s3:::${bucket}/*"])
  }
  statement {
    sid       = "CopyDocuments"
    actions   = ["s3:PutObject"]
    resources = ["${local._bucket_arn}/runs/*/documents/*", "${local._bucket_arn}/runs/*/documents.json"]
  }
  statement {
    sid     = "FindOwnModels"
    actions = ["sagemaker:ListModels"]
    # The action knows no resources.
    resources = ["*"]
  }
  statement {
    sid       = "RemoveOwnModels"
    actions   = ["sagemaker:DeleteModel"]
    resources = ["${local._sagemaker_arn}:model/*-score-documents-d*r*"]
  }
}

data "aws_iam_policy_document" "prepare_run" {
  statement {
    sid       = "FindCodeAndData"
    actions   = ["s3:ListBucket"]
    resources = concat([local._bucket_arn], [for bucket in var.source_buckets : "arn:${data.aws_partition.current.partition}:s3:::${bucket}"])
  }
  statement {
    sid       = "ReadCode"
    actions   = ["s3:GetObject"]
    resources = ["${local._bucket_arn}/code/*", "${local._bucket_arn}/runs/*/code.json", "${local._bucket_arn}/audit/at-work/*"]
  }
  statement {
    sid       = "CopyCode"
    actions   = ["s3:PutObject"]
    resources = ["${local._bucket_arn}/runs/*/code/*", "${local._bucket_arn}/runs/*/code.json"]
  }
}

data "aws_iam_policy_document" "describe_failure" {
  statement {
    sid       = "ReadRuns"
    actions   = ["states:GetExecutionHistory"]
    resources = [for machine in var.machines : "${local._states_arn}:execution:${machine}:*"]
  }
  statement {
    sid       = "TellHowRunsEnded"
    actions   = ["sns:Publish"]
    resources = [var.topic_arns.failures, var.topic_arns.successes]
  }
  statement {
    sid       = "ClaimWhatIsTold"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = ["${local._bucket_arn}/audit/alerts/*"]
  }
}

data "aws_iam_policy_document" "days_without_success" {
  count = length(var.measured) > 0 ? 1 : 0

  statement {
    sid       = "FindNewestSuccesses"
    actions   = ["states:ListExecutions"]
    resources = var.measured
  }
  statement {
    sid       = "SeeWhenMachinesWereMade"
    actions   = ["states:DescribeStateMachine"]
    resources = var.measured
  }
  statement {
    sid     = "MeasureDays"
    actions = ["cloudwatch:PutMetricData"]
    # The action knows no resources; the condition narrows it.
    resources = ["*"]
    condition {
      test     = "StringEquals"
      variable = "cloudwatch:namespace"
      values   = [var.name]
    }
  }
}

# AWS asks about the machine's ARN also where a version or an alias is meant ("Authorization for versions and aliases").
data "aws_iam_policy_document" "prune_versions" {
  statement {
    sid       = "FindUnusedVersions"
    actions   = ["states:ListExecutions", "states:ListStateMachineAliases", "states:ListStateMachineVersions"]
    resources = local._machine_arns
  }
  statement {
    sid       = "DeleteUnusedVersions"
    actions   = ["states:DeleteStateMachineVersion"]
    resources = local._machine_arns
  }
}

locals {
  _starts  = length(local._targets) > 0
  _targets = distinct([for trigger in [var.triggers.data, var.triggers.schedule] : trigger.start if trigger != null])
  _started = distinct([for target in local._targets : join(":", slice(split(":", target), 0, 7))]) # without an alias
}

data "aws_iam_policy_document" "start_run" {
  count = local._starts ? 1 : 0

  statement {
    sid       = "StartRuns"
    actions   = ["states:StartExecution"]
    resources = local._started # AWS asks about the machine's ARN where the start is on its alias
  }
  statement {
    sid       = "FindRunsThatGoOn"
    actions   = ["states:ListExecutions"]
    resources = local._started
  }
  statement {
    sid       = "SeeWhetherARunGoesOn"
    actions   = ["states:DescribeExecution"]
    resources = [for machine in local._started : "${replace(machine, ":stateMachine:", ":execution:")}:*"]
  }
  statement {
    sid       = "ClaimNamesOfRuns"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = ["${local._bucket_arn}/runs/*/plan.json"]
  }
  statement {
    sid       = "RememberWhatWaits"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = ["${local._bucket_arn}/triggers/*"]
  }
  statement {
    sid = "FindWhatWaits"
    # For the whole bucket: S3 tells a missing object from a forbidden one only whoever may list without conditions.
    actions   = ["s3:ListBucket"]
    resources = [local._bucket_arn]
  }
}

data "aws_iam_policy_document" "logs" {
  for_each = aws_cloudwatch_log_group.this

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${each.value.arn}:*"]
  }
}

resource "aws_iam_role_policy" "this" {
  for_each = local.functions

  name   = "work"
  role   = aws_iam_role.this[each.key].id
  policy = each.value.policy
}

resource "aws_iam_role_policy" "logs" {
  for_each = data.aws_iam_policy_document.logs

  name   = "logs"
  role   = aws_iam_role.this[each.key].id
  policy = each.value.json
}
