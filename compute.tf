# Where jobs run: Batch's environments and queues as they are asked for, and what all of it may ask of the account.

locals {
  compute_environments = { for key, environment in var.compute_environments : key => merge(environment, {
    instance_types = startswith(environment.kind, "fargate") ? toset([]) : coalesce(environment.instance_types, toset(["optimal"]))
  }) }

  _spot_first = concat(
    [for key, environment in var.compute_environments : key if contains(["fargate-spot", "spot"], environment.kind)],
    [for key, environment in var.compute_environments : key if !contains(["fargate-spot", "spot"], environment.kind)],
  )
  job_queues = length(var.job_queues) > 0 ? var.job_queues : { default = local._spot_first }

  # Whether Batch starts instances, whose disks the key encrypts.
  on_instances = anytrue([for environment in var.compute_environments : contains(["ec2", "spot"], environment.kind)])
}
