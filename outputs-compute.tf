output "requests" {
  description = "What Batch and a run may ask of the account at a time, and the names of the quotas to compare it with (Service Quotas shows the account's numbers). One run asks for `instances`; runs at the same time add up."
  value = {
    batch = { for key, environment in local.compute_environments : key => {
      instance_types = environment.instance_types
      kind           = environment.kind
      max_vcpus      = environment.max_vcpus
      min_vcpus      = environment.min_vcpus
      quotas         = local._environment_quotas[key]
      volume_gb      = startswith(environment.kind, "fargate") ? 0 : environment.volume_gb
    } }
    instances = local._asked
    training = { for key, job in local.jobs : key => {
      instance_count    = job.instance.count
      instance_type     = job.instance.type
      max_runtime       = job.max_runtime
      quotas            = local._job_quotas[key]
      spot              = job.spot
      volume_gb         = job.instance.volume_gb
      warm_pool_seconds = job.warm_pool_seconds
    } if local._on_sagemaker[key] }
  }

  # Here, because they hold for base_models, sequence_model and evaluate alike, whatever `training` says for all of them.
  precondition {
    condition     = alltrue([for job in local.jobs : !(job.spot && job.warm_pool_seconds > 0)])
    error_message = "SageMaker keeps no Spot instances warm: set only one of spot and warm_pool_seconds for ${join(", ", [for key, job in local.jobs : key if job.spot && job.warm_pool_seconds > 0])}."
  }
  precondition {
    condition     = alltrue([for job in local.jobs : job.warm_pool_seconds >= 0 && job.warm_pool_seconds <= 3600 && floor(job.warm_pool_seconds) == job.warm_pool_seconds])
    error_message = "warm_pool_seconds must be a whole number from 0 to 3600, SageMaker's limit, for ${join(", ", [for key, job in local.jobs : key if !(job.warm_pool_seconds >= 0 && job.warm_pool_seconds <= 3600 && floor(job.warm_pool_seconds) == job.warm_pool_seconds)])}."
  }
  precondition {
    condition     = alltrue([for job in local.jobs : job.max_wait >= job.max_runtime && floor(job.max_wait) == job.max_wait])
    error_message = "max_wait, in seconds, holds the waiting and the running, and so must be a whole number of at least max_runtime: raise max_wait, or leave it out for max_runtime and training.spot_wait, for ${join(", ", [for key, job in local.jobs : "${key} (max_wait ${job.max_wait}, max_runtime ${job.max_runtime})" if job.max_wait < job.max_runtime || floor(job.max_wait) != job.max_wait])}."
  }
  precondition {
    condition     = alltrue([for key, job in local._jobs : job.max_wait == null || local.jobs[key].spot])
    error_message = "Only Spot jobs wait for capacity: set spot = true beside max_wait, or leave max_wait out, for ${join(", ", [for key, job in local._jobs : key if job.max_wait != null && !local.jobs[key].spot])}."
  }
  precondition {
    condition     = var.network != null || alltrue([for job in local.jobs : !job.vpc])
    error_message = "vpc = true needs the variable network, whose private subnets the job is to run in: set network, or leave vpc out for ${join(", ", [for key, job in local.jobs : key if job.vpc])}."
  }
  precondition {
    condition     = alltrue([for job in local.jobs : job.instance.count >= 1 && floor(job.instance.count) == job.instance.count && job.instance.volume_gb >= 1 && floor(job.instance.volume_gb) == job.instance.volume_gb])
    error_message = "instance.count and instance.volume_gb must be whole numbers of at least 1, for every model and for evaluate."
  }
}
