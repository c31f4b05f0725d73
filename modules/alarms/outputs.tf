output "dashboard" {
  description = "Name of the dashboard."
  value       = aws_cloudwatch_dashboard.this.dashboard_name
}

output "days_without_success" {
  description = "What each alarm on days without a success looks at, by the key of its machine, and when that is measured."
  value = { for key, alarm in aws_cloudwatch_metric_alarm.days_without_success : key => {
    looks_at  = "${alarm.namespace} ${alarm.metric_name}"
    looks_for = "${alarm.statistic} over ${alarm.evaluation_periods} x ${alarm.period} s, ${alarm.comparison_operator} ${alarm.threshold}"
    measured  = contains(local._measured, key) ? one(aws_cloudwatch_event_rule.measure[*].schedule_expression) : null
  } }
}

output "measure_input" {
  description = "What the function that measures days without a success is told; null without one."
  value       = one(aws_cloudwatch_event_target.measure[*].input)
}

output "names" {
  description = "Names of the alarms there are."
  value = sort([for alarm in concat(
    values(aws_cloudwatch_metric_alarm.days_without_success), values(aws_cloudwatch_metric_alarm.dead_letters),
    values(aws_cloudwatch_metric_alarm.failures), values(aws_cloudwatch_metric_alarm.longer_than_minutes),
    values(aws_cloudwatch_metric_alarm.longer_than_usual), values(aws_cloudwatch_metric_alarm.throttles),
  ) : alarm.alarm_name])
}
