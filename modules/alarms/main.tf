# Alarms tell what no single run can: that many runs fail, that they wait or take long, that none succeeds any more, that a
# message was lost. One failed run has its own alert, and so does not count for the alarms on how long runs take.

locals {
  # By the alarm's kind, the machines that have it.
  _on = { for kind in ["days_without_success", "failures", "longer_than_minutes", "longer_than_usual", "throttles"] : kind => {
    for stem, machine in var.machines : stem => merge(machine, { threshold = machine.thresholds[kind] }) if machine.thresholds[kind] != null
  } }
}

resource "aws_cloudwatch_metric_alarm" "failures" {
  for_each = local._on.failures

  alarm_name          = "${each.value.name}-failures"
  alarm_description   = "${each.value.threshold} or more runs of ${each.value.name} ended without success within an hour. Each has sent its own alert; see `opsctl list --machine ${each.value.name}`. Runbook: ${var.runbooks_url}alarms.md"
  alarm_actions       = [var.topic_arn]
  comparison_operator = "GreaterThanOrEqualToThreshold"
  evaluation_periods  = 1
  threshold           = each.value.threshold
  treat_missing_data  = "notBreaching"

  metric_query {
    id          = "unsuccessful"
    expression  = "FILL(aborted, 0) + FILL(failed, 0) + FILL(timed_out, 0)"
    label       = "runs without success"
    return_data = true
  }
  dynamic "metric_query" {
    for_each = local._unsuccessful
    content {
      id = metric_query.key
      metric {
        namespace   = "AWS/States"
        metric_name = metric_query.value
        dimensions  = { StateMachineArn = each.value.arn }
        period      = 3600
        stat        = "Sum"
      }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "throttles" {
  for_each = local._on.throttles

  alarm_name          = "${each.value.name}-throttles"
  alarm_description   = "Step Functions held back ${each.value.threshold} or more transitions of ${each.value.name} within five minutes: the account's quota of state transitions is used up. Runbook: ${var.runbooks_url}alarms.md"
  alarm_actions       = [var.topic_arn]
  comparison_operator = "GreaterThanOrEqualToThreshold"
  dimensions          = { StateMachineArn = each.value.arn }
  evaluation_periods  = 1
  metric_name         = "ExecutionThrottled"
  namespace           = "AWS/States"
  period              = 300
  statistic           = "Sum"
  threshold           = each.value.threshold
  treat_missing_data  = "notBreaching"
}

resource "aws_cloudwatch_metric_alarm" "dead_letters" {
  for_each = { for name, threshold in { dead-letters = var.dead_letters.threshold } : name => threshold if threshold != null }

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "${each.value} or more messages could not be delivered and lie in the queue ${var.dead_letters.queue}: each says in its attributes where it was to go and why it did not arrive. Delete them there when they are dealt with. Runbook: ${var.runbooks_url}dead-letters.md"
  alarm_actions       = [var.topic_arn]
  comparison_operator = "GreaterThanOrEqualToThreshold"
  dimensions          = { QueueName = var.dead_letters.queue }
  evaluation_periods  = 1
  metric_name         = "ApproximateNumberOfMessagesVisible" # NumberOfMessagesSent leaves out what SNS and EventBridge moved here
  namespace           = "AWS/SQS"
  period              = 300
  statistic           = "Maximum"
  threshold           = each.value
  treat_missing_data  = "notBreaching"
}
