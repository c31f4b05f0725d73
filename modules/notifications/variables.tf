variable "emails" {
  description = "Addresses to subscribe."
  type        = set(string)
  nullable    = false
}

variable "kms_key_arn" {
  description = "Key that encrypts the messages."
  type        = string
  nullable    = false
}

variable "name" {
  description = "What the topic's name begins with."
  type        = string
  nullable    = false
}
