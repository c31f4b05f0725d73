variable "batch" {
  description = <<-EOT
    The job that fetches the data. `image` needs Python and boto3 and no ENTRYPOINT; the default is AWS's public build image
    for Python functions, whose boto3 is found through PYTHONPATH=/var/runtime. `timeout` is in seconds, for each attempt.
    The script may fail `attempts` times; where its `queue` has Spot environments, up to `spot_retries` attempts that lost
    their host come on top, at most 10 in all. `source_buckets` are buckets other than the module's own that data may be
    fetched from. `service_linked_roles` are made by this module: spot.amazonaws.com, where the account never used Spot.
    `vcpus` and `memory_mb` (MiB) on Fargate are one of its sizes, such as 1 and 2048 to 8192.
  EOT
  type = object({
    attempts             = optional(number, 2)
    image                = optional(string, "public.ecr.aws/sam/build-python3.13:1.148.0-20251122050712")
    memory_mb            = optional(number, 2048)
    queue                = optional(string, "default")
    service_linked_roles = optional(set(string), [])
    source_buckets       = optional(list(string), [])
    spot_retries         = optional(number, 3)
    timeout              = optional(number, 3600)
    vcpus                = optional(number, 1)
  })
  default  = {}
  nullable = false

  validation {
    condition     = can(regex("^[^\\s]+$", var.batch.image))
    error_message = "batch.image must name an image, such as 123456789012.dkr.ecr.eu-west-1.amazonaws.com/fetch:1; leave it out for the default."
  }
  validation {
    condition     = var.batch.timeout >= 60 && floor(var.batch.timeout) == var.batch.timeout
    error_message = "batch.timeout must be a whole number of seconds, and Batch takes no less than 60."
  }
  validation {
    condition     = alltrue([for bucket in var.batch.source_buckets : can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", bucket))])
    error_message = "batch.source_buckets must hold names of buckets, such as incoming-123456789012, not ARNs, URLs or patterns: the job may read all that is in them."
  }
  validation {
    condition     = contains(range(1, 11), var.batch.attempts)
    error_message = "batch.attempts must be a whole number from 1 to 10, Batch's limit."
  }
  validation {
    # By vCPUs: the least memory, the most, and the steps between them
    # (https://docs.aws.amazon.com/batch/latest/APIReference/API_ResourceRequirement.html).
    condition = !startswith(try(var.compute_environments[local.job_queues[var.batch.queue][0]].kind, ""), "fargate") || anytrue([
      for size in [
        [0.25, 512, 512, 512], [0.25, 1024, 2048, 1024], [0.5, 1024, 4096, 1024], [1, 2048, 8192, 1024], [2, 4096, 16384, 1024],
        [4, 8192, 30720, 1024], [8, 16384, 61440, 4096], [16, 32768, 122880, 8192],
      ] : var.batch.vcpus == size[0] && var.batch.memory_mb >= size[1] && var.batch.memory_mb <= size[2] && (var.batch.memory_mb - size[1]) % size[3] == 0
    ])
    error_message = "batch.vcpus and batch.memory_mb must be a size that Fargate has: 0.25 with 512, 1024 or 2048 MiB; 0.5 with 1024 to 4096, 1 with 2048 to 8192, 2 with 4096 to 16384, 4 with 8192 to 30720, in steps of 1024; 8 with 16384 to 61440 in steps of 4096; 16 with 32768 to 122880 in steps of 8192."
  }
  validation {
    condition     = startswith(try(var.compute_environments[local.job_queues[var.batch.queue][0]].kind, "fargate"), "fargate") || (var.batch.vcpus >= 1 && floor(var.batch.vcpus) == var.batch.vcpus && var.batch.memory_mb >= 4 && floor(var.batch.memory_mb) == var.batch.memory_mb)
    error_message = "On instances, batch.vcpus must be a whole number of at least 1, and batch.memory_mb one of at least 4 MiB, Batch's least."
  }
  validation {
    condition     = contains(range(0, 10), var.batch.spot_retries)
    error_message = "batch.spot_retries must be a whole number from 0 to 9: Batch makes at most 10 attempts in all."
  }
  validation {
    condition     = contains(keys(local.job_queues), var.batch.queue)
    error_message = "batch.queue must be one of the job queues: ${join(", ", keys(local.job_queues))}. Name it in job_queues, or leave it out for the queue \"default\"."
  }
  validation {
    condition     = length(setsubtract(var.batch.service_linked_roles, ["autoscaling.amazonaws.com", "batch.amazonaws.com", "ecs.amazonaws.com", "spot.amazonaws.com"])) == 0
    error_message = "batch.service_linked_roles may name autoscaling.amazonaws.com, batch.amazonaws.com, ecs.amazonaws.com and spot.amazonaws.com, and of those only the ones that the account lacks."
  }
}

variable "compute_environments" {
  description = <<-EOT
    Where Batch jobs run, by a key of your own. `kind` is fargate (the default), fargate-spot, ec2 or spot. `max_vcpus` bounds
    what is asked for at a time. Only for ec2 and spot: `instance_types` as EC2 calls them, types or families, with or
    without GPUs (default: optimal, Batch's choice); `min_vcpus` that are kept running, and paid for; `volume_gb` of each
    instance's encrypted disk. An environment whose `kind` changes is replaced: the new one is made first, the queues are led
    to it, and jobs on the old one must have ended before it goes.
  EOT
  type = map(object({
    instance_types = optional(set(string))
    kind           = optional(string, "fargate")
    max_vcpus      = optional(number, 16)
    min_vcpus      = optional(number, 0)
    volume_gb      = optional(number, 30)
  }))
  default  = { fargate = {} }
  nullable = false

  validation {
    condition     = length(var.compute_environments) > 0
    error_message = "compute_environments must have at least one entry, such as { fargate = {} }: the data is fetched by a Batch job."
  }
  validation {
    condition     = alltrue([for key in keys(var.compute_environments) : can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", key)) && length(key) <= 24])
    error_message = "A key of compute_environments becomes part of AWS's names: use at most 24 characters, lower-case words and digits joined by single hyphens, for example spot-gpu."
  }
  validation {
    condition     = alltrue([for environment in var.compute_environments : contains(["ec2", "fargate", "fargate-spot", "spot"], environment.kind)])
    error_message = "kind in compute_environments must be fargate, fargate-spot, ec2 or spot; GPUs are a matter of instance_types, such as g5.xlarge, on ec2 or spot."
  }
  validation {
    condition = alltrue([
      for environment in var.compute_environments :
      !startswith(environment.kind, "fargate") || (environment.instance_types == null && environment.min_vcpus == 0)
    ])
    error_message = "Fargate has no instances: leave instance_types and min_vcpus out, or make the kind in compute_environments ec2 or spot."
  }
  validation {
    condition = alltrue(flatten([
      for environment in var.compute_environments : environment.instance_types == null ? [true] : concat(
        [length(environment.instance_types) > 0],
        [for type in environment.instance_types : can(regex("^(optimal|[a-z][a-z0-9-]*[0-9][a-z0-9-]*(\\.[a-z0-9-]+)?)$", type)) && !startswith(type, "ml.")],
      )
    ]))
    error_message = "instance_types in compute_environments must be EC2's: families or types such as c6i, m6i.large or g5.xlarge (without SageMaker's ml.), or optimal; leave them out for optimal."
  }
  validation {
    condition = alltrue([
      for environment in var.compute_environments :
      environment.max_vcpus >= 1 && environment.min_vcpus >= 0 && environment.min_vcpus <= environment.max_vcpus
      && floor(environment.max_vcpus) == environment.max_vcpus && floor(environment.min_vcpus) == environment.min_vcpus
    ])
    error_message = "max_vcpus in compute_environments must be a whole number of at least 1, and min_vcpus one from 0 to max_vcpus."
  }
  validation {
    condition     = alltrue([for environment in var.compute_environments : environment.volume_gb >= 30 && environment.volume_gb <= 16384 && floor(environment.volume_gb) == environment.volume_gb])
    error_message = "volume_gb in compute_environments must be a whole number from 30, the size of AWS's machine image, to 16384."
  }
}

variable "job_queues" {
  description = <<-EOT
    Batch's queues, by a key of your own: each tries its `compute_environments` in the order given here, up to 3. By itself
    there is one queue, `default`, with all environments, Spot before on-demand.
  EOT
  type        = map(list(string))
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key in keys(var.job_queues) : can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", key)) && length(key) <= 24])
    error_message = "A key of job_queues becomes part of AWS's names: use at most 24 characters, lower-case words and digits joined by single hyphens."
  }
  validation {
    condition     = length(setsubtract(flatten(values(var.job_queues)), keys(var.compute_environments))) == 0
    error_message = "job_queues names environments that are not in compute_environments: ${join(", ", setsubtract(flatten(values(var.job_queues)), keys(var.compute_environments)))}. Add them there, or take them out here."
  }
  validation {
    condition     = alltrue([for environments in(length(var.job_queues) > 0 ? values(var.job_queues) : [keys(var.compute_environments)]) : length(environments) >= 1 && length(environments) <= 3 && length(distinct(environments)) == length(environments)])
    error_message = "A job queue takes 1 to 3 environments, each once: with more of them in compute_environments, say in job_queues which queue tries which."
  }
  validation {
    condition = alltrue([
      for environments in(length(var.job_queues) > 0 ? values(var.job_queues) : [keys(var.compute_environments)]) :
      length(distinct([for key in environments : startswith(try(var.compute_environments[key].kind, ""), "fargate")])) <= 1
    ])
    error_message = "A job queue cannot have both Fargate and EC2 or Spot environments: give each of the two a queue of its own in job_queues."
  }
}

variable "training" {
  description = <<-EOT
    What holds for every training job that does not say otherwise. `spot` trains on Spot capacity, from the last checkpoint
    after each interruption; a job waits up to `spot_wait` seconds for capacity on top of its `max_runtime`, or has `max_wait`
    in all. `warm_pool_seconds` keeps instances, and pays for them, for the next job of the same kind (up to 3600; not with
    `spot`). `network_isolation` cuts the program off from everything but the other hosts of its job: no S3, no package index,
    no credentials; its channels are all that it reads. `encrypt_traffic` encrypts what the hosts of one job say to each other.
  EOT
  type = object({
    encrypt_traffic   = optional(bool, false)
    network_isolation = optional(bool, false)
    spot              = optional(bool, false)
    spot_wait         = optional(number, 14400)
    warm_pool_seconds = optional(number, 0)
  })
  default  = {}
  nullable = false

  validation {
    condition     = !(var.training.spot && var.training.warm_pool_seconds > 0)
    error_message = "SageMaker keeps no Spot instances warm: set only one of training.spot and training.warm_pool_seconds."
  }
  validation {
    condition     = var.training.spot_wait >= 0 && floor(var.training.spot_wait) == var.training.spot_wait
    error_message = "training.spot_wait must be a whole number of seconds, 0 or more."
  }
}
