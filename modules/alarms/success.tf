# That no run has succeeded for days. CloudWatch looks back seven days at most, whatever the period
# (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html, Period). For more, a function
# measures every hour how long it is, and the alarm is on its metric; should the metric stop, that is told too.

locals {
  _measured = try(var.measure.machines, [])
}

resource "aws_cloudwatch_metric_alarm" "days_without_success" {
  for_each = local._on.days_without_success

  alarm_name                = "${each.value.name}-no-success"
  alarm_description         = "No run of ${each.value.name} has succeeded for ${each.value.threshold} days; see `opsctl list --machine ${each.value.name}`. Runbook: ${var.runbooks_url}alarms.md"
  alarm_actions             = [var.topic_arn]
  comparison_operator       = contains(local._measured, each.key) ? "GreaterThanOrEqualToThreshold" : "LessThanThreshold"
  dimensions                = { StateMachineArn = each.value.arn }
  evaluation_periods        = contains(local._measured, each.key) ? 1 : each.value.threshold
  insufficient_data_actions = contains(local._measured, each.key) ? [var.topic_arn] : []
  metric_name               = contains(local._measured, each.key) ? "DaysWithoutSuccess" : "ExecutionsSucceeded"
  namespace                 = contains(local._measured, each.key) ? var.name : "AWS/States"
  period                    = contains(local._measured, each.key) ? 6 * 3600 : 24 * 3600
  statistic                 = contains(local._measured, each.key) ? "Minimum" : "Sum"
  threshold                 = contains(local._measured, each.key) ? each.value.threshold : 1
  treat_missing_data        = contains(local._measured, each.key) ? "missing" : "breaching" # a day on which nothing ran has no data
}

resource "aws_cloudwatch_event_rule" "measure" {
  count = length(local._measured) > 0 ? 1 : 0

  name                = "${var.name}-days-without-success"
  description         = "Measures every hour how long no run has succeeded"
  schedule_expression = "rate(1 hour)"
}

resource "aws_cloudwatch_event_target" "measure" {
  count = length(local._measured) > 0 ? 1 : 0

  rule  = one(aws_cloudwatch_event_rule.measure).name
  arn   = var.measure.function_arn
  input = jsonencode({ namespace = var.name, machines = [for key in local._measured : var.machines[key].arn] })

  dead_letter_config {
    arn = var.dead_letters.arn
  }

  depends_on = [aws_lambda_permission.measure]
}

resource "aws_lambda_permission" "measure" {
  count = length(local._measured) > 0 ? 1 : 0

  statement_id  = "measure"
  action        = "lambda:InvokeFunction"
  function_name = var.measure.function_arn
  principal     = "events.amazonaws.com"
  source_arn    = one(aws_cloudwatch_event_rule.measure).arn
}
