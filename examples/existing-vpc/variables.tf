variable "force_destroy" {
  description = "Whether destroy may delete the bucket with everything in it."
  type        = bool
  default     = false
  nullable    = false
}

variable "image" {
  description = "Image of the fetch job, with Python and boto3, in a private ECR repository: without NAT, nothing else can be pulled."
  type        = string
  default     = "123456789012.dkr.ecr.us-east-1.amazonaws.com/python-boto3:3.13"
  nullable    = false
}

variable "name" {
  description = "Name of the pipeline; every AWS name derives from it."
  type        = string
  default     = "documents-vpc"
  nullable    = false
}

variable "route_table_ids" {
  description = "Route tables of the subnets, for the way to S3."
  type        = set(string)
  nullable    = false
}

variable "subnet_ids" {
  description = "Private subnets of the VPC, in two zones or more."
  type        = set(string)
  nullable    = false
}

variable "vpc_id" {
  description = "The VPC, with DNS support and DNS host names: private endpoints are found by name."
  type        = string
  nullable    = false
}
