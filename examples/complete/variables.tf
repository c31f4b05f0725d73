variable "force_destroy" {
  description = "Whether destroy may delete the bucket with everything in it."
  type        = bool
  default     = false
  nullable    = false
}

variable "name" {
  description = "Name of the pipeline; every AWS name derives from it."
  type        = string
  default     = "documents-complete"
  nullable    = false
}
