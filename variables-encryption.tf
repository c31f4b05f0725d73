variable "encryption" {
  description = <<-EOT
    The key that encrypts the bucket, messages, logs, the functions' environments, models and the volumes of Batch's
    instances. By default the module makes one, which rotates each year; it can be brought back for `deletion_window_days`
    after a destroy, and without it nothing that it encrypted can be read. `kms_key_arn` brings a key instead, which
    encrypts the volumes of training jobs as well: a symmetric one of this region, known while planning, whose policy lets
    the account's own policies say who uses it and holds the statements of the output `key_policy`. With keys of AWS's own
    are encrypted: executions, Fargate's storage, disks that are part of an instance, and training volumes otherwise.
  EOT
  type = object({
    deletion_window_days = optional(number, 30)
    kms_key_arn          = optional(string)
  })
  default  = {}
  nullable = false

  validation {
    condition     = try(var.encryption.deletion_window_days >= 7 && var.encryption.deletion_window_days <= 30 && floor(var.encryption.deletion_window_days) == var.encryption.deletion_window_days, false)
    error_message = "encryption.deletion_window_days must be a whole number from 7 to 30, which is all that KMS takes."
  }
  validation {
    condition     = var.encryption.kms_key_arn == null || can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[a-z0-9-]+$", var.encryption.kms_key_arn))
    error_message = "encryption.kms_key_arn must be a key's own ARN, such as arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab: policies cannot name a key by an alias (aws kms describe-key --key-id alias/<alias> shows it)."
  }
}

variable "permissions_boundary_arn" {
  description = "Policy that bounds every role of the module, whatever its own policies allow; null for none. It must allow what the roles do, use of the key included."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null || can(regex("^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/.+$", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn must be the ARN of an IAM policy, such as arn:aws:iam::123456789012:policy/boundary."
  }
}
