variable "file" {
  description = "The definition: a template (*.asl.json.tftpl), or plain JSON (*.asl.json)."
  type        = string
  nullable    = false
}

variable "on_failure" {
  description = "caught: states catch their failures and report them. redrivable: they leave them to the status rule, so that AWS's redrive can resume them."
  type        = string
  nullable    = false
}

variable "policies" {
  description = "By the name of a state: the policy document (JSON) that its work needs, in the place of what would be derived."
  type        = map(string)
  nullable    = false
}

variable "settings" {
  description = "Where the caller sets policies, status_rule and variables: what a problem's remedy names."
  type        = string
  nullable    = false
}

variable "status_rule" {
  description = "Whether a rule on the execution's status alerts of every unsuccessful end of a run."
  type        = bool
  nullable    = false
}

variable "template" {
  description = <<-EOT
    What every template may use; definitions/README.md says what each is. A job is what a training state asks SageMaker for.
  EOT
  type = object({
    account = string
    aliases = map(string)
    base_models = map(object({
      activity            = optional(string)
      compute             = string
      entrypoint          = list(string)
      environment         = map(string)
      heartbeat           = number
      hyperparameters_key = string
      image               = string
      max_runtime         = number
      metrics             = list(object({ Name = string, Regex = string }))
      options = object({
        EnableInterContainerTrafficEncryption = optional(bool)
        EnableManagedSpotTraining             = optional(bool)
        EnableNetworkIsolation                = optional(bool)
        VpcConfig                             = optional(object({ SecurityGroupIds = list(string), Subnets = list(string) }))
      })
      resources = object({
        InstanceCount            = number
        InstanceType             = string
        KeepAlivePeriodInSeconds = optional(number)
        VolumeKmsKeyId           = optional(string)
        VolumeSizeInGB           = number
      })
      skip_key      = string
      slug          = string
      state_timeout = number
      stopping      = object({ MaxRuntimeInSeconds = number, MaxWaitTimeInSeconds = optional(number) })
      title         = string
    }))
    batch  = object({ job_definition = string, job_queue = string, job_queues = map(string), state_timeout = number })
    bucket = string
    bulk   = object({ max_concurrency = number })
    champion = object({
      direction         = string
      least_improvement = number
      metric            = string
    })
    deployment = object({
      approval        = object({ required = bool, rollback = bool, timeout = number, waivable = bool })
      bucket          = string
      endpoint        = string
      environment     = map(string)
      image           = string
      instance        = object({ count = number, type = string })
      machine         = string
      options         = object({ VpcConfig = optional(object({ SecurityGroupIds = list(string), Subnets = list(string) })) })
      poll_seconds    = number
      polls           = number
      prefix          = string
      role            = string
      smoke_test      = object({ least_accuracy = number, most_seconds = number, stacks = number })
      startup_timeout = number
      timeout         = number
      training        = string
      volume_key      = optional(string)
    })
    evaluate = object({
      entrypoint  = list(string)
      environment = map(string)
      image       = string
      max_runtime = number
      metrics     = list(object({ Name = string, Regex = string }))
      options = object({
        EnableInterContainerTrafficEncryption = optional(bool)
        EnableManagedSpotTraining             = optional(bool)
        EnableNetworkIsolation                = optional(bool)
        VpcConfig                             = optional(object({ SecurityGroupIds = list(string), Subnets = list(string) }))
      })
      resources = object({
        InstanceCount            = number
        InstanceType             = string
        KeepAlivePeriodInSeconds = optional(number)
        VolumeKmsKeyId           = optional(string)
        VolumeSizeInGB           = number
      })
      state_timeout = number
      stopping      = object({ MaxRuntimeInSeconds = number, MaxWaitTimeInSeconds = optional(number) })
    })
    functions = map(string)
    inference = object({
      environment    = map(string)
      image          = string
      machine        = string
      max_concurrent = number
      max_payload_mb = number
      max_runtime    = number
      options        = object({ VpcConfig = optional(object({ SecurityGroupIds = list(string), Subnets = list(string) })) })
      resources      = object({ InstanceCount = number, InstanceType = string, VolumeKmsKeyId = optional(string) })
      role           = string
    })
    kms_key    = string
    machine    = string
    machines   = map(string)
    on_failure = string
    partition  = string
    pipeline = object({
      bucket              = string
      code_prefix         = string
      default_data_source = string
      hyperparameters     = map(map(string))
      needs               = map(list(string))
      steps               = list(string)
    })
    region = string
    sequence_model = object({
      entrypoint  = list(string)
      environment = map(string)
      image       = string
      max_runtime = number
      metrics     = list(object({ Name = string, Regex = string }))
      options = object({
        EnableInterContainerTrafficEncryption = optional(bool)
        EnableManagedSpotTraining             = optional(bool)
        EnableNetworkIsolation                = optional(bool)
        VpcConfig                             = optional(object({ SecurityGroupIds = list(string), Subnets = list(string) }))
      })
      resources = object({
        InstanceCount            = number
        InstanceType             = string
        KeepAlivePeriodInSeconds = optional(number)
        VolumeKmsKeyId           = optional(string)
        VolumeSizeInGB           = number
      })
      state_timeout = number
      stopping      = object({ MaxRuntimeInSeconds = number, MaxWaitTimeInSeconds = optional(number) })
    })
    topics        = object({ approvals = string, failures = string, successes = string })
    training_role = string
  })
  nullable = false
}

variable "variables" {
  description = "The definition's own variables, beside those of `template`."
  type        = map(string)
  nullable    = false
}
