variable "access" {
  description = <<-EOT
    What people get: the output `policies` holds an `operator` policy (what opsctl needs), a `reader` and an `approver`
    policy as JSON documents, and a `worker` policy for machines outside AWS that train (docs/worker.md); with
    `create_policies` there are managed policies of them too, whose ARNs are in the output `policy_arns`.
  EOT
  type = object({
    create_policies = optional(bool, false)
  })
  default  = {}
  nullable = false
}
