output "dashboard" {
  description = "Name of the dashboard."
  value       = aws_cloudwatch_dashboard.this.dashboard_name
}

output "names" {
  description = "Names of the alarms there are."
  value = sort([for alarm in concat(
    values(aws_cloudwatch_metric_alarm.days_without_success), values(aws_cloudwatch_metric_alarm.dead_letters),
    values(aws_cloudwatch_metric_alarm.failures), values(aws_cloudwatch_metric_alarm.longer_than_minutes),
    values(aws_cloudwatch_metric_alarm.longer_than_usual), values(aws_cloudwatch_metric_alarm.throttles),
  ) : alarm.alarm_name])
}
