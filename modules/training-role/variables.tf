variable "bucket" {
  description = "Bucket that holds the runs."
  type        = string
  nullable    = false
}

variable "images" {
  description = "Images besides AWS's own that the jobs may run."
  type        = list(string)
  nullable    = false
}

variable "name" {
  description = "What the role's name begins with."
  type        = string
  nullable    = false
}
