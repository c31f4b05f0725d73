output "arns" {
  description = "ARNs of the managed policies by kind; empty unless they were asked for."
  value       = { for kind, policy in aws_iam_policy.this : kind => policy.arn }
}

output "documents" {
  description = "The policies by kind, as JSON without white space."
  value       = local.documents
}
