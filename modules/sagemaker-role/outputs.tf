output "arn" {
  description = "ARN of the role, once it may do its work."
  value       = aws_iam_role.this.arn
  depends_on  = [aws_iam_role_policy.this]
}
