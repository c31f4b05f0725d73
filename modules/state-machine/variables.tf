variable "alerts" {
  description = "The function that is told of runs that ended without success."
  type = object({
    function_arn = string
  })
  nullable = false
}

variable "definition" {
  description = "The machine in Amazon States Language, rendered."
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

variable "uses" {
  description = "What the definition calls; `training_jobs` are patterns of job names."
  type = object({
    functions      = list(string)
    job_definition = string
    job_queue      = string
    topics         = list(string)
    training_jobs  = list(string)
    training_role  = string
  })
  nullable = false
}
