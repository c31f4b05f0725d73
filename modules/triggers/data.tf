# Data that arrives: S3 tells EventBridge of every object, and a rule lets through what a pattern of keys matches. S3 and
# EventBridge deliver at least once; that it stays one run is the function's business. Data that comes while a run goes on
# waits in the bucket until that run ends, which another rule tells.

# Switches EventBridge on for the bucket; S3 takes a few minutes to do so. A bucket has one such resource.
resource "aws_s3_bucket_notification" "this" {
  count = var.data == null ? 0 : 1

  bucket      = var.bucket
  eventbridge = true
}

locals {
  # No machine's rule is called like these: those end in -ended.
  _rules = var.data == null ? {} : {
    data-arrived = {
      description = "New data below datasets/ that starts a run"
      pattern = jsonencode({
        source      = ["aws.s3"]
        detail-type = ["Object Created"]
        detail = {
          bucket = { name = [var.bucket] }
          object = { key = [for pattern in var.data.patterns : { wildcard = pattern }] }
        }
      })
    }
    data-waits = {
      description = "Runs that have ended, so that data that waits starts the next one"
      pattern = jsonencode({
        source      = ["aws.states"]
        detail-type = ["Step Functions Execution Status Change"]
        detail = {
          stateMachineArn = [var.data.machine_arn]
          status          = ["ABORTED", "FAILED", "SUCCEEDED", "TIMED_OUT"]
        }
      })
    }
  }
}

resource "aws_cloudwatch_event_rule" "this" {
  for_each = local._rules

  name          = "${var.name}-${each.key}"
  description   = each.value.description
  event_pattern = each.value.pattern
}

resource "aws_cloudwatch_event_target" "this" {
  for_each = aws_cloudwatch_event_rule.this

  rule = each.value.name
  arn  = var.function_arn

  dead_letter_config {
    arn = var.dead_letters_arn
  }

  depends_on = [aws_lambda_permission.this, var.after]
}

resource "aws_lambda_permission" "this" {
  for_each = aws_cloudwatch_event_rule.this

  statement_id  = each.key
  action        = "lambda:InvokeFunction"
  function_name = var.function_arn
  principal     = "events.amazonaws.com"
  source_arn    = each.value.arn
}
