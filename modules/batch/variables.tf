variable "bucket" {
  description = "Bucket that holds the data sets, the code and the runs."
  type        = string
  nullable    = false
}

variable "job" {
  description = "The fetch job: image, size, seconds and number of attempts."
  type = object({
    attempts  = number
    image     = string
    max_vcpus = number
    memory_mb = number
    timeout   = number
    vcpus     = number
  })
  nullable = false
}

variable "kms_key_arn" {
  description = "Key that encrypts the bucket."
  type        = string
  nullable    = false
}

variable "name" {
  description = "What all names begin with."
  type        = string
  nullable    = false
}

variable "network" {
  description = "Where the job runs; null for the default VPC."
  type = object({
    assign_public_ip   = bool
    security_group_ids = list(string)
    subnet_ids         = list(string)
  })
  default = null
}

variable "permissions_boundary_arn" {
  description = "Policy that bounds what the roles may do, whatever else allows it; null for none."
  type        = string
}

variable "source_buckets" {
  description = "Buckets besides the module's own that data may be fetched from."
  type        = list(string)
  nullable    = false
}
