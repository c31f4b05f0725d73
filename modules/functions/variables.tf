variable "bucket" {
  description = "Bucket that holds the code and the runs."
  type        = string
  nullable    = false
}

variable "dead_letters_arn" {
  description = "Queue for the events with which an asynchronous call failed for good."
  type        = string
  nullable    = false
}

variable "endpoint" {
  description = "Name of the endpoint that serves the champion."
  type        = string
  nullable    = false
}

variable "kms_key_arn" {
  description = "Key that encrypts the bucket, the topics, the logs and the functions' environments."
  type        = string
  nullable    = false
}

variable "log_retention" {
  description = "Days that logs are kept."
  type        = number
  nullable    = false
}

variable "machines" {
  description = "Names of the state machines whose failures are described."
  type        = list(string)
  nullable    = false
}

variable "measured" {
  description = "ARNs of the machines whose days without a success are measured."
  type        = list(string)
  nullable    = false
}

variable "name" {
  description = "What all names begin with."
  type        = string
  nullable    = false
}

variable "network" {
  description = "Subnets and security groups of the functions; null for no VPC."
  type = object({
    security_group_ids = list(string)
    subnet_ids         = list(string)
  })
  default = null
}

variable "packages" {
  description = "Folder with the functions' zip files."
  type        = string
  nullable    = false
}

variable "permissions_boundary_arn" {
  description = "Policy that bounds what the functions' roles may do, whatever else allows it; null for none."
  type        = string
}

variable "runbooks_url" {
  description = "What the names of runbooks stand behind in alerts."
  type        = string
  nullable    = false
}

variable "source_buckets" {
  description = "Buckets besides the module's own that data may be fetched from."
  type        = list(string)
  nullable    = false
}

variable "topic_arns" {
  description = "Topics that failures and successes go to which the machine did not tell itself."
  type        = object({ failures = string, successes = string })
  nullable    = false
}

variable "triggers" {
  description = "What start_run starts: the machine's ARN, or its alias's, with input and what happens while a run goes on."
  type = object({
    data     = optional(object({ input = any, start = string, while_running = string }))
    schedule = optional(object({ input = any, start = string, while_running = string }))
  })
  nullable = false
}
