variable "after" {
  description = "What the definition refers to by name: it is there before the machine is made or changed."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "alerts" {
  description = "The function that is told of runs that ended, and the queue for what it could not be told."
  type = object({
    dead_letters_arn = string
    function_arn     = string
  })
  nullable = false
}

variable "definition" {
  description = "The machine in Amazon States Language, rendered."
  type        = string
  nullable    = false
}

variable "kms_key_arn" {
  description = "Key that encrypts messages, items and logs."
  type        = string
  nullable    = false
}

variable "logs" {
  description = "What the machine logs, and for how many days."
  type = object({
    level          = string
    retention_days = number
  })
  nullable = false
}

variable "name" {
  description = "Name of the machine, its role and its rule."
  type        = string
  nullable    = false
}

variable "permissions_boundary_arn" {
  description = "Policy that bounds what the role may do, whatever else allows it; null for none."
  type        = string
}

variable "uses" {
  description = <<-EOT
    What the definition calls: always functions and topics; a Batch queue with a job definition; SageMaker training jobs,
    patterns of their names, with their role; distributed Maps whose items and results lie below a prefix of a bucket.
  EOT
  type = object({
    batch     = optional(object({ job_definition = string, job_queue = string }))
    functions = list(string)
    maps      = optional(object({ bucket = string, prefix = string }))
    topics    = list(string)
    training  = optional(object({ jobs = list(string), role = string }))
  })
  nullable = false
}

variable "versions" {
  description = "The alias that runs start on, how many versions of the machine are kept, and the ARN of the function that deletes older ones."
  type = object({
    alias          = string
    keep           = number
    prune_function = string
  })
  nullable = false
}
