data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  _partition = data.aws_partition.current.partition
  _here      = "${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}"
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["states.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

resource "aws_iam_role" "this" {
  name                 = var.name
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  permissions_boundary = var.permissions_boundary_arn
}

data "aws_iam_policy_document" "this" {
  source_policy_documents = concat(
    data.aws_iam_policy_document.batch[*].json,
    [data.aws_iam_policy_document.encryption.json],
    data.aws_iam_policy_document.maps[*].json,
    data.aws_iam_policy_document.training[*].json,
  )

  statement {
    sid       = "CallFunctions"
    actions   = ["lambda:InvokeFunction"]
    resources = var.uses.functions
  }
  statement {
    sid       = "Notify"
    actions   = ["sns:Publish"]
    resources = var.uses.topics
  }
  statement {
    sid = "WriteLogs"
    actions = [
      "logs:CreateLogDelivery", "logs:DeleteLogDelivery", "logs:DescribeLogGroups", "logs:DescribeResourcePolicies",
      "logs:GetLogDelivery", "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:UpdateLogDelivery",
    ]
    # CloudWatch's log delivery knows no resources.
    resources = ["*"]
  }
}

data "aws_iam_policy_document" "batch" {
  count = var.uses.batch == null ? 0 : 1

  statement {
    sid       = "SubmitBatchJobs"
    actions   = ["batch:SubmitJob"]
    resources = [var.uses.batch.job_definition, "${var.uses.batch.job_definition}:*", var.uses.batch.job_queue]
  }
  statement {
    sid     = "FollowBatchJobs"
    actions = ["batch:DescribeJobs"]
    # The action knows no resources.
    resources = ["*"]
  }
  statement {
    sid     = "StopBatchJobs"
    actions = ["batch:TerminateJob"]
    # Jobs have no names of ours, and the action cannot be narrowed to a queue or a definition.
    resources = ["arn:${local._partition}:batch:${local._here}:job/*"]
  }
  statement {
    sid       = "HearOfEndedBatchJobs"
    actions   = ["events:DescribeRule", "events:PutRule", "events:PutTargets"]
    resources = ["arn:${local._partition}:events:${local._here}:rule/StepFunctionsGetEventsForBatchJobsRule"]
  }
}

# A distributed Map starts its children as executions of the machine's own, and reads and writes S3 as the machine.
data "aws_iam_policy_document" "maps" {
  count = var.uses.maps == null ? 0 : 1

  statement {
    sid       = "StartChildren"
    actions   = ["states:StartExecution"]
    resources = ["arn:${local._partition}:states:${local._here}:stateMachine:${var.name}"]
  }
  statement {
    sid     = "FollowChildren"
    actions = ["states:DescribeExecution", "states:RedriveExecution", "states:StopExecution"]
    resources = [
      "arn:${local._partition}:states:${local._here}:execution:${var.name}:*",
      "arn:${local._partition}:states:${local._here}:execution:${var.name}/*:*", # a Map's children: <machine>/<label>
    ]
  }
  statement {
    sid       = "ReadItemsAndWriteResults"
    actions   = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"]
    resources = ["arn:${local._partition}:s3:::${var.uses.maps.bucket}/${var.uses.maps.prefix}*"]
  }
}

data "aws_iam_policy_document" "training" {
  count = var.uses.training == null ? 0 : 1

  statement {
    sid       = "RunTrainingJobs"
    actions   = ["sagemaker:AddTags", "sagemaker:CreateTrainingJob", "sagemaker:DescribeTrainingJob", "sagemaker:StopTrainingJob"]
    resources = [for name in var.uses.training.jobs : "arn:${local._partition}:sagemaker:${local._here}:training-job/${name}"]
  }
  statement {
    sid     = "ReadTags"
    actions = ["sagemaker:ListTags"]
    # Step Functions asks before it knows the job.
    resources = ["arn:${local._partition}:sagemaker:${local._here}:training-job/*"]
  }
  statement {
    sid       = "GiveJobsTheirRole"
    actions   = ["iam:PassRole"]
    resources = [var.uses.training.role]
    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["sagemaker.amazonaws.com"]
    }
  }
  statement {
    sid       = "HearOfEndedTrainingJobs"
    actions   = ["events:DescribeRule", "events:PutRule", "events:PutTargets"]
    resources = ["arn:${local._partition}:events:${local._here}:rule/StepFunctionsGetEventsForSageMakerTrainingJobsRule"]
  }
}

resource "aws_iam_role_policy" "this" {
  name   = "machine"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.this.json
}
