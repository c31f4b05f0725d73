variable "bucket" {
  description = "Name of the pipeline's bucket."
  type        = string
}

variable "create_policies" {
  description = "Whether to make managed policies of the documents, to attach to people's roles."
  type        = bool
}

variable "functions" {
  description = "Names of the pipeline's functions."
  type        = set(string)
}

variable "jobs" {
  description = "Patterns of the names of its training jobs, such as *-train-text-model-d*r*."
  type        = set(string)
}

variable "kms_key_arn" {
  description = "The key that the bucket's objects and the log groups are encrypted with."
  type        = string
}

variable "log_groups" {
  description = "Names of the log groups that opsctl reads: of the machines, the functions and the jobs."
  type        = set(string)
}

variable "machines" {
  description = "Names of the pipeline's state machines."
  type        = set(string)
}

variable "name" {
  description = "Prefix of every name."
  type        = string
}
