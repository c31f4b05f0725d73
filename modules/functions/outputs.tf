output "arns" {
  description = "ARN of each function by its key, once it may do its work."
  value       = { for key, function in aws_lambda_function.this : key => function.arn }
}
