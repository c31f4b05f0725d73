# To operate: what opsctl does, all of it.

data "aws_iam_policy_document" "operator" {
  source_policy_documents = [data.aws_iam_policy_document.approver.json]

  statement {
    sid       = "StartRuns"
    actions   = ["states:StartExecution"]
    resources = local.machines
  }
  statement {
    sid       = "StopAndRedriveRuns"
    actions   = ["states:RedriveExecution", "states:StopExecution"]
    resources = local.executions
  }
  statement {
    sid     = "SeeThatJobsStop"
    actions = ["sagemaker:DescribeTrainingJob", "sagemaker:DescribeTransformJob"]
    resources = concat(
      [for name in sort(local._jobs) : "arn:${local._partition}:sagemaker:${local._here}:training-job/${name}"],
      ["arn:${local._partition}:sagemaker:${local._here}:transform-job/*-score-documents-d*r*"],
    )
  }
  statement {
    sid = "CopyAndDeleteObjectsOfRuns"
    # Copies of more than 5 GB are made in parts, and bring their tags along one by one.
    actions = [
      "s3:AbortMultipartUpload", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:GetObjectTagging",
      "s3:GetObjectVersion", "s3:GetObjectVersionTagging", "s3:PutObject", "s3:PutObjectTagging",
    ]
    resources = ["${local.bucket_arn}/runs/*"]
  }
  statement {
    sid       = "AskEndpointsForPredictions"
    actions   = ["sagemaker:InvokeEndpoint"]
    resources = [for name in [var.name, "${var.name}-*"] : "arn:${local._partition}:sagemaker:${local._here}:endpoint/${name}"]
  }
  statement {
    sid       = "TakeTasksOfActivities"
    actions   = ["states:GetActivityTask"]
    resources = ["arn:${local._partition}:states:${local._here}:activity:${var.name}-*"]
  }
  statement {
    sid       = "ReadTasksOfActivities"
    actions   = ["kms:Decrypt"]
    resources = [var.kms_key_arn]
    condition {
      test     = "StringLike"
      variable = "kms:EncryptionContext:aws:states:activityArn"
      values   = ["arn:${local._partition}:states:${local._here}:activity:${var.name}-*"]
    }
  }
  statement {
    sid     = "SayThatTasksAreWorkedOn"
    actions = ["states:SendTaskHeartbeat"]
    # A task token is all that the action knows.
    resources = ["*"]
  }
  statement {
    sid       = "TakeBackNotesOfWork"
    actions   = ["s3:DeleteObject"]
    resources = ["${local.bucket_arn}/audit/at-work/*"] # that a cleanup is going on, which reruns look for
  }
  statement {
    sid       = "WriteWhatWillBeDone"
    actions   = ["s3:AbortMultipartUpload", "s3:PutObject"]
    resources = ["${local.bucket_arn}/audit/*"]
  }

  statement {
    sid       = "EncryptObjects"
    actions   = ["kms:GenerateDataKey"]
    resources = [var.kms_key_arn]
    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["s3.${data.aws_region.current.name}.${data.aws_partition.current.dns_suffix}"]
    }
  }
}
