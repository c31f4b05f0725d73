# Queues in front of compute environments. A queue tries its environments in order, Spot before on-demand as a rule.

resource "aws_batch_job_queue" "this" {
  for_each = var.queues

  # The queue that comes by itself has the pipeline's name.
  name     = each.key == "default" ? var.name : "${var.name}-${each.key}"
  state    = "ENABLED"
  priority = 1

  dynamic "compute_environment_order" {
    for_each = each.value

    content {
      order               = compute_environment_order.key + 1
      compute_environment = aws_batch_compute_environment.this[compute_environment_order.value].arn
    }
  }
}
