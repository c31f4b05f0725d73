# The schedule tells the function the moment that it stands for, from which the run's name is made: a call that comes twice
# is one run.

resource "aws_scheduler_schedule_group" "this" {
  name = var.name
}

resource "aws_scheduler_schedule" "runs" {
  count = var.schedule == null ? 0 : 1

  name                         = "start-run"
  description                  = "Starts a run"
  group_name                   = aws_scheduler_schedule_group.this.name
  kms_key_arn                  = var.kms_key_arn
  end_date                     = var.schedule.end
  schedule_expression          = var.schedule.expression
  schedule_expression_timezone = var.schedule.timezone
  start_date                   = var.schedule.start

  flexible_time_window {
    mode                      = var.schedule.flexible_minutes == 0 ? "OFF" : "FLEXIBLE"
    maximum_window_in_minutes = var.schedule.flexible_minutes == 0 ? null : var.schedule.flexible_minutes
  }

  target {
    arn      = var.function_arn
    role_arn = aws_iam_role.scheduler.arn
    # Scheduler fills in the time; jsonencode would write its brackets as \u003c, which it does not know.
    input = "{\"time\":\"<aws.scheduler.scheduled-time>\",\"trigger\":\"schedule\"}"

    dead_letter_config {
      arn = var.dead_letters_arn
    }

    retry_policy {
      maximum_event_age_in_seconds = var.schedule.retry.max_age
      maximum_retry_attempts       = var.schedule.retry.attempts
    }
  }

  depends_on = [aws_iam_role_policy.scheduler, var.after]
}
