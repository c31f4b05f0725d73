# Step Functions' events are a best effort, so the function also looks by itself now and then after data that waits. It does
# with "parallel" too: something may wait from before a change.

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
