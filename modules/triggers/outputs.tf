output "pattern" {
  description = "What the rule for data lets through; null without one."
  value       = try(jsondecode(aws_cloudwatch_event_rule.this["data-arrived"].event_pattern), null)
}

output "schedules" {
  description = "Names of the schedules, sorted."
  value       = sort(concat(aws_scheduler_schedule.runs[*].name, aws_scheduler_schedule.waiting[*].name))
}
