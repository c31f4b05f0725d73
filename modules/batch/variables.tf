variable "bucket" {
  description = "Bucket that holds the data sets, the code and the runs."
  type        = string
  nullable    = false
}

variable "environments" {
  description = "The compute environments: kind (fargate, fargate-spot, ec2, spot), size, and for the last two the instances."
  type = map(object({
    instance_types = set(string)
    kind           = string
    max_vcpus      = number
    min_vcpus      = number
    volume_gb      = number
  }))
  nullable = false
}

variable "job" {
  description = "The fetch job: image, size, seconds, attempts of the script and further ones for lost hosts, and its queue."
  type = object({
    attempts     = number
    image        = string
    memory_mb    = number
    queue        = string
    spot_retries = number
    timeout      = number
    vcpus        = number
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
  description = "Where jobs run."
  type = object({
    assign_public_ip   = bool
    security_group_ids = list(string)
    subnet_ids         = list(string)
  })
  nullable = false
}

variable "permissions_boundary_arn" {
  description = "Policy that bounds what the roles may do, whatever else allows it; null for none."
  type        = string
}

variable "queues" {
  description = "The environments of each queue, in the order in which it tries them."
  type        = map(list(string))
  nullable    = false
}

variable "service_linked_roles" {
  description = "AWS services, such as spot.amazonaws.com, whose service-linked role is made here."
  type        = set(string)
  nullable    = false
}

variable "source_buckets" {
  description = "Buckets besides the module's own that data may be fetched from."
  type        = list(string)
  nullable    = false
}
