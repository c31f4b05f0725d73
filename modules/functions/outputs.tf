output "arns" {
  description = "ARN of each function by its key, once it may do its work."
  value       = { for key, function in aws_lambda_function.this : key => function.arn }
}

output "environments" {
  description = "Environment variables of each function by its key."
  value       = { for key, function in local.functions : key => function.environment }
}

output "memory_mb" {
  description = "Memory of each function by its name, which its price depends on."
  value       = { for key, function in local.functions : local.names[key] => function.memory_mb }
}

output "role_arns" {
  description = "ARN of each function's role by the function's key."
  value       = { for key, role in aws_iam_role.this : key => role.arn }
}
