variable "bucket" {
  description = "Bucket that holds the runs, their data and models."
  type        = string
  nullable    = false
}

variable "images" {
  description = "Images that the containers are started from."
  type        = list(string)
  nullable    = false
}

variable "kind" {
  description = "Whose role it is: what its name ends with."
  type        = string
  nullable    = false
}

variable "kms_key_arn" {
  description = "Key that encrypts the bucket and the containers' volumes."
  type        = string
  nullable    = false
}

variable "log_group" {
  description = "Log group that the containers write to."
  type        = string
  nullable    = false
}

variable "name" {
  description = "What the role's name begins with."
  type        = string
  nullable    = false
}

variable "objects" {
  description = "Keys of the bucket, with `*` for anything, that the containers read, write, and drop again."
  type = object({
    drop  = optional(list(string), [])
    read  = list(string)
    write = optional(list(string), [])
  })
  nullable = false
}

variable "permissions_boundary_arn" {
  description = "Policy that bounds what the role may do, whatever else allows it; null for none."
  type        = string
}

variable "vpc" {
  description = "Whether the containers run in a VPC, whose network interfaces SageMaker then makes as this role."
  type        = bool
  nullable    = false
}
