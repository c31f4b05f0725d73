variable "after" {
  description = "What a run needs: it is there before anything starts one."
  type        = list(string)
  nullable    = false
}

variable "bucket" {
  description = "Bucket in which data arrives."
  type        = string
  nullable    = false
}

variable "data" {
  description = "Patterns of keys whose arrival starts a run of a machine; null for none."
  type = object({
    machine_arn = string
    patterns    = list(string)
  })
}

variable "dead_letters_arn" {
  description = "Queue for events that the function could not be given."
  type        = string
  nullable    = false
}

variable "function_arn" {
  description = "The function that starts runs."
  type        = string
  nullable    = false
}

variable "kms_key_arn" {
  description = "The key that schedules and undelivered events are encrypted with."
  type        = string
  nullable    = false
}

variable "name" {
  description = "What all names begin with."
  type        = string
  nullable    = false
}

variable "permissions_boundary_arn" {
  description = "Policy that bounds the schedules' role; null for none."
  type        = string
}

variable "schedule" {
  description = "When the function is called without an event; null for never."
  type = object({
    end              = optional(string)
    expression       = string
    flexible_minutes = number
    retry            = object({ attempts = number, max_age = number })
    start            = optional(string)
    timezone         = string
  })
}
