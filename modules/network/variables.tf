variable "bucket" {
  description = "The pipeline's bucket, which the S3 endpoint lets through."
  type        = string
  nullable    = false
}

variable "name" {
  description = "What all names begin with."
  type        = string
  nullable    = false
}

variable "network" {
  description = "The VPC, its subnets and security groups, and the private endpoints to make; null for the default VPC."
  type = object({
    assign_public_ip   = bool
    endpoints          = set(string)
    route_table_ids    = set(string)
    security_group_ids = set(string)
    subnet_ids         = set(string)
    vpc_id             = string
  })
  default = null
}

variable "source_buckets" {
  description = "Buckets besides the pipeline's own that data may be fetched from."
  type        = list(string)
  nullable    = false
}
