output "arn" {
  description = "ARN of the activity."
  value       = aws_sfn_activity.this.id # its ARN
}
