output "arns" {
  description = "ARN of each function by its key, once it may do its work."
  value       = { for key, function in aws_lambda_function.this : key => function.arn }
  depends_on  = [aws_iam_role_policy.logs, aws_iam_role_policy.this]
}
