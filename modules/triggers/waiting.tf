# Data that came while a run went on waits in the bucket until that run ends. Step Functions' events are a best effort, so
# the function also looks by itself now and then. Both stay with "parallel": something may wait from before a change.

resource "aws_cloudwatch_event_rule" "ended" {
  count = var.data == null ? 0 : 1

  name        = "${var.name}-data-waits" # no machine's rule is called so: those end in -ended
  description = "Runs that have ended, so that data that waits starts the next one"

  event_pattern = jsonencode({
    source      = ["aws.states"]
    detail-type = ["Step Functions Execution Status Change"]
    detail = {
      stateMachineArn = [var.data.machine_arn]
      status          = ["ABORTED", "FAILED", "SUCCEEDED", "TIMED_OUT"]
    }
  })
}

resource "aws_cloudwatch_event_target" "ended" {
  count = var.data == null ? 0 : 1

  rule = one(aws_cloudwatch_event_rule.ended).name
  arn  = var.function_arn

  dead_letter_config {
    arn = var.dead_letters_arn
  }

  depends_on = [aws_lambda_permission.ended, var.after]
}

resource "aws_lambda_permission" "ended" {
  count = var.data == null ? 0 : 1

  statement_id  = "run-ended"
  action        = "lambda:InvokeFunction"
  function_name = var.function_arn
  principal     = "events.amazonaws.com"
  source_arn    = one(aws_cloudwatch_event_rule.ended).arn
}

resource "aws_scheduler_schedule" "waiting" {
  count = var.data == null ? 0 : 1

  name                = "look-after-what-waits"
  description         = "Starts the run of data that waits, should the end of a run not have been told"
  group_name          = aws_scheduler_schedule_group.this.name
  kms_key_arn         = var.kms_key_arn
  schedule_expression = "rate(15 minutes)"

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = var.function_arn
    role_arn = aws_iam_role.scheduler.arn
    input    = jsonencode({ trigger = "waiting" })

    dead_letter_config {
      arn = var.dead_letters_arn
    }

    retry_policy {
      maximum_event_age_in_seconds = 900 # then comes the next look
      maximum_retry_attempts       = 10
    }
  }

  depends_on = [aws_iam_role_policy.scheduler]
}
