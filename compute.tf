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

# What all of it may ask of the account, by the names under which Service Quotas lists the limits. No numbers of AWS's here:
# an account's own limits are in its console.
locals {
  # EC2 counts vCPUs by the first letter of an instance's family.
  _ec2_quotas = [
    { families = "^(optimal|[acdhimrtz][0-9])", on_demand = "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", spot = "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests" },
    { families = "^(g[0-9]|vt[0-9])", on_demand = "Running On-Demand G and VT instances", spot = "All G and VT Spot Instance Requests" },
    { families = "^p[2-4]", on_demand = "Running On-Demand P instances", spot = "All P4, P3 and P2 Spot Instance Requests" },
    { families = "^p5", on_demand = "Running On-Demand P instances", spot = "All P5 Spot Instance Requests" },
    { families = "^(inf|trn|dl|x|u-|hpc|f|p[6-9])", on_demand = "Running On-Demand instances of this family", spot = "All Spot Instance Requests of this family" },
  ]

  _environment_quotas = { for key, environment in local.compute_environments : key => startswith(environment.kind, "fargate") ? [
    environment.kind == "fargate" ? "AWS Fargate: Fargate On-Demand vCPU resource count" : "AWS Fargate: Fargate Spot vCPU resource count"
    ] : concat(distinct(flatten([
      for type in environment.instance_types : [
        for quota in local._ec2_quotas : "Amazon EC2: ${environment.kind == "spot" ? quota.spot : quota.on_demand}" if can(regex(quota.families, type))
      ]
  ])), ["Amazon EBS: Storage for General Purpose SSD (gp3) volumes, in TiB"]) }

  _job_quotas = { for key, job in local.jobs : key => concat(
    ["Amazon SageMaker: ${job.instance.type} for ${job.spot ? "spot training" : "training"} job usage"],
    job.warm_pool_seconds > 0 ? ["Amazon SageMaker: ${job.instance.type} for training warm pool usage"] : [],
  ) if local._on_sagemaker[key] }

  # Base models train side by side, the others one after the other.
  _phases = concat([keys(local.base_models)], [["sequence_model"], ["evaluate"]])
  _asked = { for quota in distinct(flatten(values(local._job_quotas))) : quota => max([
    for phase in local._phases : sum(concat([0], [for key in phase : local.jobs[key].instance.count if contains(lookup(local._job_quotas, key, []), quota)]))
  ]...) }
}
