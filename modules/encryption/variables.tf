variable "deletion_window_days" {
  description = "Days for which the key's deletion can be cancelled."
  type        = number
  nullable    = false
}

variable "kms_key_arn" {
  description = "ARN of a key that is brought; null to make one."
  type        = string
}

variable "name" {
  description = "What the key's alias is, and the pipeline's other names begin with."
  type        = string
  nullable    = false
}

variable "volumes" {
  description = "Whether the key encrypts volumes of instances that Batch starts."
  type        = bool
  nullable    = false
}
