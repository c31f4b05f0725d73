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
  name               = var.name
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

data "aws_iam_policy_document" "this" {
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
    sid       = "SubmitBatchJobs"
    actions   = ["batch:SubmitJob"]
    resources = [var.uses.job_definition, "${var.uses.job_definition}:*", var.uses.job_queue]
  }
  statement {
    sid     = "FollowBatchJobs"
    actions = ["batch:DescribeJobs", "batch:TerminateJob"]
    # Neither action can be narrowed to a queue or a definition.
    resources = ["*"]
  }
  statement {
    sid       = "RunTrainingJobs"
    actions   = ["sagemaker:AddTags", "sagemaker:CreateTrainingJob", "sagemaker:DescribeTrainingJob", "sagemaker:StopTrainingJob"]
    resources = [for name in var.uses.training_jobs : "arn:${local._partition}:sagemaker:${local._here}:training-job/${name}"]
  }
  statement {
    sid     = "ReadTags"
    actions = ["sagemaker:ListTags"]
    # Step Functions asks before it knows the job.
    resources = ["*"]
  }
  statement {
    sid       = "GiveJobsTheirRole"
    actions   = ["iam:PassRole"]
    resources = [var.uses.training_role]
    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["sagemaker.amazonaws.com"]
    }
  }
  statement {
    sid     = "HearOfEndedJobs"
    actions = ["events:DescribeRule", "events:PutRule", "events:PutTargets"]
    resources = [
      "arn:${local._partition}:events:${local._here}:rule/StepFunctionsGetEventsForBatchJobsRule",
      "arn:${local._partition}:events:${local._here}:rule/StepFunctionsGetEventsForSageMakerTrainingJobsRule",
    ]
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

resource "aws_iam_role_policy" "this" {
  name   = "machine"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.this.json
}
