# How long runs take is known when they end: what a run may take at most is for TimeoutSeconds to say. The metric has every
# end in it; an end without success within the same period is left out, because that run has sent its alert.

locals {
  _unsuccessful = { aborted = "ExecutionsAborted", failed = "ExecutionsFailed", timed_out = "ExecutionsTimedOut" }
  _succeeded    = "FILL(aborted, 0) + FILL(failed, 0) + FILL(timed_out, 0) == 0"
}

resource "aws_cloudwatch_metric_alarm" "longer_than_minutes" {
  for_each = local._on.longer_than_minutes

  alarm_name          = "${each.value.name}-long"
  alarm_description   = "A run of ${each.value.name} took longer than ${each.value.threshold} minutes; see `opsctl status --machine ${each.value.name}`. Runbook: ${var.runbooks_url}alarms.md"
  alarm_actions       = [var.topic_arn]
  comparison_operator = "GreaterThanThreshold"
  evaluation_periods  = 1
  threshold           = each.value.threshold
  treat_missing_data  = "notBreaching"

  metric_query {
    id          = "minutes"
    expression  = "IF(${local._succeeded}, longest / 60000, 0)"
    label       = "minutes of the longest run"
    return_data = true
  }
  metric_query {
    id = "longest"
    metric {
      namespace   = "AWS/States"
      metric_name = "ExecutionTime"
      dimensions  = { StateMachineArn = each.value.arn }
      period      = 60
      stat        = "Maximum"
    }
  }
  dynamic "metric_query" {
    for_each = local._unsuccessful
    content {
      id = metric_query.key
      metric {
        namespace   = "AWS/States"
        metric_name = metric_query.value
        dimensions  = { StateMachineArn = each.value.arn }
        period      = 60
        stat        = "Sum"
      }
    }
  }
}

# The usual p95, and how far from it is unusual, are learned by CloudWatch from up to two weeks of runs.
resource "aws_cloudwatch_metric_alarm" "longer_than_usual" {
  for_each = local._on.longer_than_usual

  alarm_name          = "${each.value.name}-longer-than-usual"
  alarm_description   = "Runs of ${each.value.name} take longer (p95) than in the two weeks before; see `opsctl status --machine ${each.value.name}`. Runbook: ${var.runbooks_url}alarms.md"
  alarm_actions       = [var.topic_arn]
  comparison_operator = "GreaterThanUpperThreshold"
  evaluation_periods  = 1
  threshold_metric_id = "usual"
  treat_missing_data  = "notBreaching"

  metric_query {
    id          = "usual"
    expression  = "ANOMALY_DETECTION_BAND(took, ${each.value.threshold})"
    label       = "usual p95"
    return_data = true
  }
  metric_query {
    id          = "took"
    expression  = "IF(${local._succeeded}, p95, 0)"
    label       = "p95 of how long runs took"
    return_data = true
  }
  metric_query {
    id = "p95"
    metric {
      namespace   = "AWS/States"
      metric_name = "ExecutionTime"
      dimensions  = { StateMachineArn = each.value.arn }
      period      = 3600
      stat        = "p95"
    }
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
