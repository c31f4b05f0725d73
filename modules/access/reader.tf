# To look: what list, status, watch, logs, lineage, data, diff and the plans of all other commands read.

data "aws_iam_policy_document" "reader" {
  statement {
    sid = "ListRunsAndReadDefinitions"
    actions = [
      "states:DescribeStateMachine", "states:DescribeStateMachineAlias", "states:ListExecutions",
      "states:ListStateMachineAliases", "states:ListStateMachineVersions",
    ]
    resources = concat(local.machines, local.map_runs)
  }
  statement {
    sid = "ReadRuns"
    actions = [
      "states:DescribeExecution", "states:DescribeStateMachineForExecution", "states:GetExecutionHistory",
      "states:ListMapRuns",
    ]
    resources = local.executions
  }
  statement {
    sid       = "ReadMapRuns"
    actions   = ["states:DescribeMapRun"]
    resources = local.map_runs
  }
  statement {
    sid       = "ListObjects"
    actions   = ["s3:GetBucketVersioning", "s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:ListBucketVersions"]
    resources = [local.bucket_arn]
  }
  statement {
    sid       = "ReadObjects"
    actions   = ["s3:GetObject"]
    resources = ["${local.bucket_arn}/*"]
  }
  statement {
    sid       = "ReadLogs"
    actions   = ["logs:DescribeLogStreams", "logs:FilterLogEvents", "logs:GetLogEvents"]
    resources = [for group in sort(var.log_groups) : "arn:${local._partition}:logs:${local._here}:log-group:${group}:*"]
  }
  statement {
    sid       = "FindLogsOfFunctions"
    actions   = ["lambda:GetFunctionConfiguration"]
    resources = [for name in sort(var.functions) : "arn:${local._partition}:lambda:${local._here}:function:${name}"]
  }
  statement {
    sid     = "ListJobsEndpointsQuotasAndPrices"
    actions = ["pricing:GetProducts", "sagemaker:ListEndpoints", "sagemaker:ListTrainingJobs", "sagemaker:ListTransformJobs", "servicequotas:ListServiceQuotas"]
    # The actions know no resources.
    resources = ["*"]
  }
  statement {
    sid       = "SeeWhoIsTold"
    actions   = ["sns:ListSubscriptionsByTopic"]
    resources = ["arn:${local._partition}:sns:${local._here}:${var.name}-*"]
  }
  statement {
    sid       = "CountDeadLetters"
    actions   = ["sqs:GetQueueAttributes"]
    resources = ["arn:${local._partition}:sqs:${local._here}:${var.name}-dead-letters"]
  }
  statement {
    sid     = "SeeWhatEndpointsServe"
    actions = ["sagemaker:DescribeEndpoint", "sagemaker:DescribeEndpointConfig", "sagemaker:DescribeModel"]
    # All of them: a cleanup keeps what any endpoint serves, whoever deployed it.
    resources = [for kind in ["endpoint", "endpoint-config", "model"] : "arn:${local._partition}:sagemaker:${local._here}:${kind}/*"]
  }
  statement {
    sid     = "ReadBatchJobs"
    actions = ["batch:DescribeJobs"]
    # The action knows no resources.
    resources = ["*"]
  }

  statement {
    sid       = "DecryptObjects"
    actions   = ["kms:Decrypt"]
    resources = [var.kms_key_arn]
    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["s3.${data.aws_region.current.name}.${data.aws_partition.current.dns_suffix}"]
    }
  }
}
