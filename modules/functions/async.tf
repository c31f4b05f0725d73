# Functions that EventBridge calls are called asynchronously: Lambda tries again twice, and keeps what failed for good.

locals {
  _asynchronous = toset(setintersection(["days_without_success", "describe_failure", "start_run"], keys(local.names)))
}

resource "aws_lambda_function_event_invoke_config" "this" {
  for_each = local._asynchronous

  function_name                = aws_lambda_function.this[each.key].function_name
  maximum_event_age_in_seconds = 3600
  maximum_retry_attempts       = 2 # Lambda's most

  destination_config {
    on_failure {
      destination = var.dead_letters_arn
    }
  }

  depends_on = [aws_iam_role_policy.dead_letters]
}

data "aws_iam_policy_document" "dead_letters" {
  statement {
    sid       = "KeepWhatFailedForGood"
    actions   = ["sqs:SendMessage"]
    resources = [var.dead_letters_arn]
  }
  statement {
    sid       = "EncryptWhatIsKept"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.kms_key_arn]
    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["sqs.${data.aws_region.current.name}.${data.aws_partition.current.dns_suffix}"]
    }
  }
}

resource "aws_iam_role_policy" "dead_letters" {
  for_each = local._asynchronous

  name   = "dead-letters"
  role   = aws_iam_role.this[each.key].id
  policy = data.aws_iam_policy_document.dead_letters.json
}
