variable "versions" {
  description = <<-EOT
    Every change of a state machine is published as a version, and the alias `live`, which runs start on, moves to it. The
    newest `keep` stay; an older one too as long as a run walks it or can be redriven on it (14 days from the run's end).
  EOT
  type = object({
    keep = optional(number, 10)
  })
  default  = {}
  nullable = false

  validation {
    condition     = try(var.versions.keep >= 1 && var.versions.keep <= 900 && floor(var.versions.keep) == var.versions.keep, false)
    error_message = "versions.keep must be a whole number from 1 to 900: AWS keeps at most 1,000 versions of a machine, those in use among them."
  }
}
