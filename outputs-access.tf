output "policies" {
  description = "Policies for people, as JSON: `operator` (what opsctl needs), `reader` (to look), `approver` (to look, and to answer runs that wait), `worker` (to train outside AWS)."
  value       = module.access.documents
}

output "policy_arns" {
  description = "ARNs of the managed policies of the same kinds; empty unless access.create_policies is true."
  value       = module.access.arns
}
