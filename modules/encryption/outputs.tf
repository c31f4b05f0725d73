output "key_arn" {
  description = "ARN of the key, once definitions can name it."
  value       = local.key_arn
  depends_on  = [aws_kms_alias.this]
}

output "services_policy" {
  description = "Statements that let the services which encrypt in their own name use the key: what the policy of a key that is brought needs too."
  value       = data.aws_iam_policy_document.services.json
}
