# The functions that the machine calls. Their packages are committed (make functions), so that an apply needs no Python.

locals {
  functions = {
    describe_failure = {
      description = "Turns a failed run into an alert that names the next command"
      environment = { NOTIFY_STATE = var.notify_state, TOPIC_ARN = var.topic_arn }
      policy      = data.aws_iam_policy_document.describe_failure.json
    }
    prepare_run = {
      description = "Checks a run's input and data, and gives the run its own copy of the code"
      environment = {}
      policy      = data.aws_iam_policy_document.prepare_run.json
    }
  }
}

resource "aws_lambda_function" "this" {
  for_each = local.functions

  function_name    = local.names[each.key]
  description      = each.value.description
  filename         = "${var.packages}/${each.key}.zip"
  source_code_hash = filebase64sha256("${var.packages}/${each.key}.zip")
  handler          = "handler.handler"
  runtime          = "python3.13"
  role             = aws_iam_role.this[each.key].arn
  memory_size      = 256
  timeout          = 60

  dynamic "environment" {
    for_each = length(each.value.environment) > 0 ? [each.value.environment] : []
    content {
      variables = environment.value
    }
  }

  # Lambda would make the log group itself, and keep its logs for ever.
  depends_on = [aws_cloudwatch_log_group.this, aws_iam_role_policy.logs, aws_iam_role_policy.this]
}
