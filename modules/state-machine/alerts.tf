# What no Catch can catch (a time limit, an abort, an error of the machine itself) still alerts: the function reads the
# run's history and publishes, unless the machine told this end itself. What the rule cannot hand over within an hour is a
# dead letter, which an alarm tells of: an alert that comes later than that is no alert.

resource "aws_cloudwatch_event_rule" "ended" {
  name        = "${var.name}-ended"
  description = "Runs of ${var.name} that ended"
  state       = var.alerts.status_rule ? "ENABLED" : "DISABLED"

  event_pattern = jsonencode({
    source      = ["aws.states"]
    detail-type = ["Step Functions Execution Status Change"]
    detail = {
      stateMachineArn = [aws_sfn_state_machine.this.arn]
      status          = ["ABORTED", "FAILED", "SUCCEEDED", "TIMED_OUT"]
    }
  })
}

resource "aws_cloudwatch_event_target" "ended" {
  rule = aws_cloudwatch_event_rule.ended.name
  arn  = var.alerts.function_arn

  dead_letter_config {
    arn = var.alerts.dead_letters_arn
  }

  retry_policy {
    maximum_event_age_in_seconds = 3600
    maximum_retry_attempts       = 185 # EventBridge's most
  }

  depends_on = [aws_lambda_permission.ended]
}

resource "aws_lambda_permission" "ended" {
  statement_id  = aws_cloudwatch_event_rule.ended.name
  action        = "lambda:InvokeFunction"
  function_name = var.alerts.function_arn
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.ended.arn
}
