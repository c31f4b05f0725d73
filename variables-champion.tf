variable "champion" {
  description = <<-EOT
    When a new ensemble may take the place of the champion, the model in production. `Evaluate` measures both in one job, on
    the same held-out pages, and `metric` is the figure that is compared: page_accuracy, boundary_accuracy,
    document_accuracy or log_loss, or whatever a job of one's own measures (`evaluate.script`). `direction` says whether more
    is better (maximize) or less is (minimize, as for log_loss). The new model must be better by `least_improvement`; with 0,
    the default, it must not be worse. Where there is no champion yet, every model is better. Who is not goes nowhere: the run
    ends SUCCEEDED, not deployed, and its message says by how much.
  EOT
  type = object({
    direction         = optional(string, "maximize")
    least_improvement = optional(number, 0)
    metric            = optional(string, "page_accuracy")
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(["maximize", "minimize"], var.champion.direction)
    error_message = "champion.direction must be maximize, where more is better (page_accuracy), or minimize, where less is (log_loss)."
  }
  validation {
    condition     = var.champion.least_improvement >= 0
    error_message = "champion.least_improvement must be 0 or more, in the metric's own unit: 0.01 of page_accuracy is one page in a hundred. It counts in the better direction, whatever champion.direction is."
  }
  validation {
    condition     = can(regex("^[a-z][a-z0-9_]*$", var.champion.metric)) && (var.evaluate.script != null || contains(["boundary_accuracy", "document_accuracy", "log_loss", "page_accuracy"], var.champion.metric))
    error_message = "champion.metric must be a figure that Evaluate measures: page_accuracy, boundary_accuracy, document_accuracy or log_loss. Another one needs a job of your own that writes it into metrics.json (evaluate.script)."
  }
}
