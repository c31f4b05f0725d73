# What no Catch can catch (a time limit, an abort, an error of the machine itself) still alerts: the function reads the
# run's history and publishes, unless the machine reported this failure itself.

resource "aws_cloudwatch_event_rule" "failed" {
  name        = "${var.name}-failed"
  description = "Runs of ${var.name} that ended without success"

  event_pattern = jsonencode({
    source      = ["aws.states"]
    detail-type = ["Step Functions Execution Status Change"]
    detail = {
      stateMachineArn = [aws_sfn_state_machine.this.arn]
      status          = ["ABORTED", "FAILED", "TIMED_OUT"]
    }
  })
}

resource "aws_cloudwatch_event_target" "failed" {
  rule = aws_cloudwatch_event_rule.failed.name
  arn  = var.alerts.function_arn

  depends_on = [aws_lambda_permission.failed]
}

resource "aws_lambda_permission" "failed" {
  statement_id  = "${var.name}-failed"
  action        = "lambda:InvokeFunction"
  function_name = var.alerts.function_arn
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.failed.arn
}
