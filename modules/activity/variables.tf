variable "kms_key_arn" {
  description = "Key that encrypts the input of tasks."
  type        = string
  nullable    = false
}

variable "name" {
  description = "Name of the activity."
  type        = string
  nullable    = false
}
