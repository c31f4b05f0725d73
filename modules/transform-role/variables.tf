variable "bucket" {
  description = "Bucket that holds the runs, their models and results."
  type        = string
  nullable    = false
}

variable "images" {
  description = "Images besides AWS's own that the jobs may run."
  type        = list(string)
  nullable    = false
}

variable "kms_key_arn" {
  description = "Key that encrypts the bucket and the jobs' volumes."
  type        = string
  nullable    = false
}

variable "name" {
  description = "What the role's name begins with."
  type        = string
  nullable    = false
}

variable "permissions_boundary_arn" {
  description = "Policy that bounds what the role may do, whatever else allows it; null for none."
  type        = string
}

variable "vpc" {
  description = "Whether jobs run in a VPC, whose network interfaces SageMaker then makes as this role."
  type        = bool
  nullable    = false
}
