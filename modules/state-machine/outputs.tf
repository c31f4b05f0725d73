output "alias" {
  description = "ARN of the alias that runs start on, once it leads to the machine's newest version."
  value       = "${aws_sfn_state_machine.this.arn}:${aws_sfn_alias.live.name}"
  depends_on  = [aws_cloudwatch_event_target.ended, aws_iam_role_policy.this]
}

output "arn" {
  description = "ARN of the machine, once its failures are heard of."
  value       = aws_sfn_state_machine.this.arn
  depends_on  = [aws_cloudwatch_event_target.ended, aws_iam_role_policy.this]
}

output "definition" {
  description = "The definition that runs."
  value       = aws_sfn_state_machine.this.definition
}

output "log_group" {
  description = "Name of the machine's log group."
  value       = aws_cloudwatch_log_group.this.name
}

output "name" {
  description = "Name of the machine."
  value       = aws_sfn_state_machine.this.name
}
