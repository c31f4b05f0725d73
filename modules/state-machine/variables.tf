variable "activities" {
  description = "ARNs of the activities whose workers the machine gives tasks to."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "after" {
  description = "What the definition refers to by name: it is there before the machine is made or changed."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "alerts" {
  description = "The function that is told of runs that ended, the queue for what it could not be told, and whether the rule that tells it is on."
  type = object({
    dead_letters_arn = string
    function_arn     = string
    status_rule      = bool
  })
  nullable = false
}

variable "definition" {
  description = "The machine in Amazon States Language, rendered."
  type        = string
  nullable    = false
}

variable "grants" {
  description = "What the machine's role may do, as modules/definition derives it, by the name of the statement."
  type = map(object({
    actions   = list(string)
    for_aws   = optional(bool, false)
    passed_to = optional(string)
    resources = list(string)
  }))
  nullable = false
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

variable "policies" {
  description = "Policy documents (JSON) of what the machine's role may do besides."
  type        = list(string)
  default     = []
  nullable    = false
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
