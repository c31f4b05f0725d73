variable "deployment" {
  description = <<-EOT
    How a model gets into production: the machine `<name>-deployment` puts it on the endpoint that is called like this module,
    on `instance`s. Whoever subscribes to `approvals` is asked first, unless `approval.required` is false, and has
    `approval.timeout` seconds to answer; `opsctl rollback` waits for nobody unless `approval.rollback` is true, and an input
    with `"approval": false` is refused unless `approval.waivable` is. `image` defaults to AWS's PyTorch inference container
    for the instance type, to which `environment` is added. A container has `startup_timeout` seconds to load the model, the
    endpoint `timeout` in all to come into service, looked at every `poll_seconds`. Then the smoke test sends up to
    `smoke_test.stacks` held-out stacks of the run (0: no test): at least `least_accuracy` of their pages must be classed right, each
    answer within `most_seconds`. What fails is put back as it was. `vpc = false` serves outside of `network`.
  EOT
  type = object({
    approval = optional(object({
      required = optional(bool, true)
      rollback = optional(bool, false)
      timeout  = optional(number, 604800)
      waivable = optional(bool, false)
    }), {})
    environment = optional(map(string), {})
    image       = optional(string)
    instance = optional(object({
      count = optional(number, 1)
      type  = optional(string, "ml.m5.large")
    }), {})
    poll_seconds = optional(number, 15)
    smoke_test = optional(object({
      least_accuracy = optional(number, 0.5)
      most_seconds   = optional(number, 10)
      stacks         = optional(number, 3)
    }), {})
    startup_timeout = optional(number, 600)
    timeout         = optional(number, 3600)
    vpc             = optional(bool)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.deployment.approval.timeout >= 60 && var.deployment.approval.timeout <= 31536000 && floor(var.deployment.approval.timeout) == var.deployment.approval.timeout
    error_message = "deployment.approval.timeout must be a whole number of seconds from 60 to 31536000, a year, which is as long as a run can take."
  }
  validation {
    condition     = can(regex(local.instance_type, var.deployment.instance.type))
    error_message = "deployment.instance.type must be one of SageMaker's: ml., a family and a size, for example ml.m5.large."
  }
  validation {
    condition     = var.deployment.instance.count >= 1 && floor(var.deployment.instance.count) == var.deployment.instance.count
    error_message = "deployment.instance.count must be a whole number of at least 1."
  }
  validation {
    condition     = var.deployment.poll_seconds >= 1 && floor(var.deployment.poll_seconds) == var.deployment.poll_seconds && var.deployment.poll_seconds <= var.deployment.timeout
    error_message = "deployment.poll_seconds must be a whole number of seconds from 1 to deployment.timeout."
  }
  validation {
    condition     = var.deployment.startup_timeout >= 60 && var.deployment.startup_timeout <= 3600 && floor(var.deployment.startup_timeout) == var.deployment.startup_timeout
    error_message = "deployment.startup_timeout must be a whole number of seconds from 60 to 3600, SageMaker's limits."
  }
  validation {
    condition     = var.deployment.timeout >= 1 && floor(var.deployment.timeout) == var.deployment.timeout && var.deployment.timeout / max(var.deployment.poll_seconds, 1) <= 2000
    error_message = "deployment.timeout must be a whole number of seconds, and at most 2000 times deployment.poll_seconds: a run's history has no room for more looks at the endpoint. Make poll_seconds larger."
  }
  validation {
    condition     = var.deployment.smoke_test.least_accuracy >= 0 && var.deployment.smoke_test.least_accuracy <= 1
    error_message = "deployment.smoke_test.least_accuracy must be a share of pages, from 0 to 1."
  }
  validation {
    condition     = var.deployment.smoke_test.most_seconds > 0 && var.deployment.smoke_test.most_seconds <= 60
    error_message = "deployment.smoke_test.most_seconds must be more than 0 and at most 60, the time that SageMaker gives a container for an answer."
  }
  validation {
    condition     = contains(range(0, 11), var.deployment.smoke_test.stacks)
    error_message = "deployment.smoke_test.stacks must be a whole number from 0, for no smoke test, to 10."
  }
  validation {
    condition     = var.network != null || !coalesce(var.deployment.vpc, false)
    error_message = "deployment.vpc = true needs the variable network, whose private subnets the endpoint is to run in: set network, or leave vpc out."
  }
}
