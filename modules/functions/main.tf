# The functions that the machines call. Their packages are committed (make functions), so that an apply needs no Python.

locals {
  functions = { for key, function in local._functions : key => function if contains(keys(local.names), key) }

  _functions = {
    bulk_batch = {
      description = "Deletes or copies up to 1,000 objects of a manifest"
      environment = { MACHINES = jsonencode(local._machine_arns) }
      memory_mb   = 1024 # buys CPU for 32 requests at a time
      policy      = data.aws_iam_policy_document.bulk_batch.json
      timeout     = 900
    }
    champion_gate = {
      description = "Finds the champion for Evaluate, and says whether a new model may replace it"
      environment = {}
      memory_mb   = 512 # for the artifact with the figures
      policy      = data.aws_iam_policy_document.champion_gate.json
      timeout     = 60
    }
    days_without_success = {
      description = "Measures how many days ago a run of a machine succeeded"
      environment = {}
      memory_mb   = 256
      policy      = one(data.aws_iam_policy_document.days_without_success[*].json)
      timeout     = 60
    }
    describe_failure = {
      description = "Tells of runs that ended what they did not tell themselves, failures with the next command"
      environment = { BUCKET = var.bucket, FAILURES_TOPIC = var.topic_arns.failures, RUNBOOKS = var.runbooks_url, SUCCESSES_TOPIC = var.topic_arns.successes }
      memory_mb   = 256
      policy      = data.aws_iam_policy_document.describe_failure.json
      timeout     = 60
    }
    prepare_deployment = {
      description = "Finds a run's model and figures, and what the endpoint serves"
      environment = {}
      memory_mb   = 512 # for the evaluation's artifact
      policy      = data.aws_iam_policy_document.prepare_deployment.json
      timeout     = 120
    }
    prepare_inference = {
      description = "Finds the model that scores, packs the documents, and removes the model again"
      environment = {}
      memory_mb   = 1024 # for stacks of bitmaps, several at a time
      policy      = data.aws_iam_policy_document.prepare_inference.json
      timeout     = 900
    }
    prepare_run = {
      description = "Checks a run's input and data, and gives the run its own copy of the code"
      environment = {}
      memory_mb   = 256
      policy      = data.aws_iam_policy_document.prepare_run.json
      timeout     = 60
    }
    prune_versions = {
      description = "Deletes versions of a machine that are old and in nobody's use"
      environment = {}
      memory_mb   = 256
      policy      = data.aws_iam_policy_document.prune_versions.json
      timeout     = 300
    }
    settle_deployment = {
      description = "Makes a deployed model the champion, or removes what a failed deployment made"
      environment = {}
      memory_mb   = 256
      policy      = data.aws_iam_policy_document.settle_deployment.json
      timeout     = 120
    }
    smoke_test = {
      description = "Holds the endpoint's answers for held-out pages against what is known of them"
      environment = {}
      memory_mb   = 512 # for stacks of bitmaps
      policy      = data.aws_iam_policy_document.smoke_test.json
      timeout     = 600
    }
    start_run = {
      description = "Starts a run for data that has arrived, or for a schedule, once"
      environment = { BUCKET = var.bucket, TRIGGERS = jsonencode(var.triggers) }
      memory_mb   = 256
      policy      = one(data.aws_iam_policy_document.start_run[*].json)
      timeout     = 120
    }
  }
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_50:A run's history already says when each call began, ended and what it answered; traces would show no more.
  #checkov:skip=CKV_AWS_115:What is reserved for one function is taken from all others of the account, and a limit would only delay runs.
  #checkov:skip=CKV_AWS_116:What is called asynchronously has a destination for its failures (async.tf), which says more than a dead-letter queue.
  #checkov:skip=CKV_AWS_117:They speak only to AWS's own endpoints, by TLS and IAM; a VPC would add addresses and endpoints to pay for.
  #checkov:skip=CKV_AWS_272:The packages lie in the repository and are reviewed with it; a signing profile would be the account's.
  for_each = local.functions

  function_name    = local.names[each.key]
  description      = each.value.description
  filename         = "${var.packages}/${each.key}.zip"
  source_code_hash = filebase64sha256("${var.packages}/${each.key}.zip")
  handler          = "handler.handler"
  runtime          = "python3.13"
  role             = aws_iam_role.this[each.key].arn
  memory_size      = each.value.memory_mb
  timeout          = each.value.timeout
  kms_key_arn      = length(each.value.environment) > 0 ? var.kms_key_arn : null

  dynamic "environment" {
    for_each = length(each.value.environment) > 0 ? [each.value.environment] : []
    content {
      variables = environment.value
    }
  }

  dynamic "vpc_config" {
    for_each = var.network == null ? [] : [var.network]
    content {
      security_group_ids = vpc_config.value.security_group_ids
      subnet_ids         = vpc_config.value.subnet_ids
    }
  }

  # Lambda would make the log group itself, and keep its logs for ever.
  depends_on = [aws_cloudwatch_log_group.this, aws_iam_role_policy.encryption, aws_iam_role_policy.logs, aws_iam_role_policy.network, aws_iam_role_policy.this]
}
