variable "access_log_bucket" {
  description = "Bucket that takes the logs of access; null for none."
  type        = string
}

variable "admin_role_arns" {
  description = "Roles and users that administer the bucket and may delete below runs/; null means whoever applies."
  type        = set(string)
}

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

variable "kms_key_arn" {
  description = "Key that encrypts the objects."
  type        = string
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

variable "operator_role_arns" {
  description = "Roles and users that may delete below runs/, as opsctl cleanup does."
  type        = set(string)
  nullable    = false
}

variable "pipeline_role_arns" {
  description = "Roles of the pipeline that may delete below runs/."
  type        = list(string)
  nullable    = false
}
