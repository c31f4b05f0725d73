variable "inference" {
  description = <<-EOT
    How folders of documents are scored: the machine `<name>-inference` sends each stack to a transform job on `instance`s, whose
    models are the champion's or a given run's. `image` defaults to AWS's PyTorch inference container for the instance type, to
    which `environment` is added. Each instance is sent `max_concurrent` requests at a time, of `max_payload_mb` at most. A
    transform job knows no time limit of its own: `max_runtime`, in seconds, is the state's. `vpc = false` scores outside of
    `network`.
  EOT
  type = object({
    environment = optional(map(string), {})
    image       = optional(string)
    instance = optional(object({
      count = optional(number, 1)
      type  = optional(string, "ml.m5.xlarge")
    }), {})
    max_concurrent = optional(number, 1)
    max_payload_mb = optional(number, 20)
    max_runtime    = optional(number, 86400)
    vpc            = optional(bool)
  })
  default  = {}
  nullable = false

  validation {
    condition     = can(regex(local.instance_type, var.inference.instance.type))
    error_message = "inference.instance.type must be one of SageMaker's: ml., a family and a size, for example ml.m5.xlarge."
  }
  validation {
    condition     = var.inference.instance.count >= 1 && floor(var.inference.instance.count) == var.inference.instance.count
    error_message = "inference.instance.count must be a whole number of at least 1."
  }
  validation {
    condition     = alltrue([for number in [var.inference.max_concurrent, var.inference.max_payload_mb] : number >= 1 && floor(number) == number]) && var.inference.max_concurrent * var.inference.max_payload_mb <= 100
    error_message = "inference.max_concurrent and inference.max_payload_mb must be whole numbers of at least 1, and together, multiplied, at most 100 MB, SageMaker's limit: lower one of them."
  }
  validation {
    condition     = var.inference.max_runtime >= 60 && var.inference.max_runtime <= 31536000 && floor(var.inference.max_runtime) == var.inference.max_runtime
    error_message = "inference.max_runtime must be a whole number of seconds from 60 to 31536000, a year, which is as long as a run can take."
  }
  validation {
    condition     = var.network != null || !coalesce(var.inference.vpc, false)
    error_message = "inference.vpc = true needs the variable network, whose private subnets the job is to run in: set network, or leave vpc out."
  }
}
