variable "code" {
  description = "Folder whose Python files are uploaded under code/."
  type        = string
  nullable    = false
}

variable "force_destroy" {
  description = "Whether destroy deletes the bucket with everything in it."
  type        = bool
  nullable    = false
}

variable "name" {
  description = "What the bucket's name begins with."
  type        = string
  nullable    = false
}

variable "noncurrent_days" {
  description = "Days for which a deleted or overwritten object can be brought back."
  type        = number
  nullable    = false
}
