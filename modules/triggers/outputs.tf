output "pattern" {
  description = "What the rule for data lets through; null without one."
  value       = one([for rule in aws_cloudwatch_event_rule.arrived : jsondecode(rule.event_pattern)])
}

output "schedules" {
  description = "Names of the schedules, sorted."
  value       = sort(concat(aws_scheduler_schedule.runs[*].name, aws_scheduler_schedule.waiting[*].name))
}
