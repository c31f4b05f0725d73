# What the functions of the deployment machine may do.

locals {
  _sagemaker_arn = "arn:${data.aws_partition.current.partition}:sagemaker:${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}"

  _endpoint_arn  = "${local._sagemaker_arn}:endpoint/${var.endpoint}"
  _deployed_arns = [for kind in ["endpoint-config", "model"] : "${local._sagemaker_arn}:${kind}/${var.name}-*"]
}

data "aws_iam_policy_document" "prepare_deployment" {
  statement {
    sid = "FindModelsAndChampions"
    # For the whole bucket: S3 tells a missing object from a forbidden one only whoever may list without conditions.
    actions   = ["s3:ListBucket"]
    resources = [local._bucket_arn]
  }
  statement {
    sid       = "ReadModelsAndChampions"
    actions   = ["s3:GetObject"]
    resources = ["${local._bucket_arn}/runs/*", "${local._bucket_arn}/champions/*", "${local._bucket_arn}/audit/at-work/*"]
  }
  statement {
    sid       = "TakeTurnsAtTheEndpoint"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = ["${local._bucket_arn}/deployments/*"]
  }
  statement {
    sid       = "SeeHowRunsWereStarted"
    actions   = ["states:DescribeExecution"]
    resources = [for machine in var.machines : "${local._states_arn}:execution:${machine}:*"]
  }
  statement {
    sid       = "SeeWhatWasApproved"
    actions   = ["states:GetExecutionHistory"]
    resources = [for machine in var.machines : "${local._states_arn}:execution:${machine}:*"]
  }
  statement {
    sid       = "SeeWhatIsDeployed"
    actions   = ["sagemaker:DescribeEndpoint", "sagemaker:DescribeEndpointConfig", "sagemaker:DescribeModel"]
    resources = concat([local._endpoint_arn], local._deployed_arns)
  }
  statement {
    sid     = "FindWhatWasDeployed"
    actions = ["sagemaker:ListEndpointConfigs"]
    # The action knows no resources.
    resources = ["*"]
  }
}

data "aws_iam_policy_document" "settle_deployment" {
  statement {
    sid = "FindChampions"
    # For the whole bucket: S3 tells a missing object from a forbidden one only whoever may list without conditions.
    actions   = ["s3:ListBucket"]
    resources = [local._bucket_arn]
  }
  statement {
    sid       = "ReadAndWriteChampions"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = ["${local._bucket_arn}/champions/*"]
  }
  statement {
    sid       = "SeeWhatIsDeployed"
    actions   = ["sagemaker:DescribeEndpoint", "sagemaker:DescribeEndpointConfig", "sagemaker:DescribeModel"]
    resources = concat([local._endpoint_arn], local._deployed_arns)
  }
  statement {
    sid     = "FindWhatWasDeployed"
    actions = ["sagemaker:ListEndpointConfigs"]
    # The action knows no resources.
    resources = ["*"]
  }
  statement {
    sid       = "RemoveWhatServesNoMore"
    actions   = ["sagemaker:DeleteEndpointConfig", "sagemaker:DeleteModel"]
    resources = local._deployed_arns
  }
}

data "aws_iam_policy_document" "smoke_test" {
  statement {
    sid = "FindHeldOutPages"
    # For the whole bucket: S3 tells a missing object from a forbidden one only whoever may list without conditions.
    actions   = ["s3:ListBucket"]
    resources = [local._bucket_arn]
  }
  statement {
    sid       = "ReadHeldOutPages"
    actions   = ["s3:GetObject"]
    resources = ["${local._bucket_arn}/runs/*"]
  }
  statement {
    sid       = "SeeWhatTheEndpointServes"
    actions   = ["sagemaker:DescribeEndpoint"]
    resources = [local._endpoint_arn]
  }
  statement {
    sid       = "AskTheEndpoint"
    actions   = ["sagemaker:InvokeEndpoint"]
    resources = [local._endpoint_arn]
  }
}
