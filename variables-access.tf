variable "access" {
  description = <<-EOT
    What people get: the output `policies` holds an `operator` policy (what opsctl needs), a `reader` and an `approver`
    policy as JSON documents, and a `worker` policy for machines outside AWS that train (docs/worker.md); with
    `create_policies` there are managed policies of them too, whose ARNs are in the output `policy_arns`. Where there are
    several machines the policies name them as `<name>-*`, to fit IAM's limit: in one account, give no instance of the
    module a name that begins with another's and a hyphen if their operators are to be kept apart.
  EOT
  type = object({
    create_policies = optional(bool, false)
  })
  default  = {}
  nullable = false
}
